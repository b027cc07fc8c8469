"""Every protocol by its name."""

import difflib

from carina.errors import ConfigError
from carina.evaluation.papers import PAPERS
from carina.evaluation.protocol import Protocol
from carina.evaluation.protocols_asked import PROTOCOLS_ASKED
from carina.evaluation.protocols_finetuned import PROTOCOLS_FINETUNED

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for paper in PAPERS
    for protocol in (*PROTOCOLS_ASKED, *PROTOCOLS_FINETUNED)
    if protocol.paper == paper
}
"""One entry for each evaluation of the four papers, in their order."""


def protocol_named(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PROTOCOLS:
        shares = [one for one in PROTOCOLS if one.startswith(f"{name.partition('@')[0]}@")]
        close = shares or difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ConfigError(
            f"There is no protocol {name!r}.{hint} `carina protocols` lists all {len(PROTOCOLS)}."
        )
    return PROTOCOLS[name]
