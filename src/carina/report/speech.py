"""The roles of phrases as constants, for the rules that compare them.

To read a member off its enumeration takes ten times as long, and the rules compare roles some
hundred times a sentence.
"""

from carina.report.lexicon import Role

OBSERVATION = Role.OBSERVATION
ANATOMY = Role.ANATOMY
STATE = Role.STATE
SEVERITY = Role.SEVERITY
BORDERLINE = Role.BORDERLINE
LIMIT = Role.LIMIT
SIDE = Role.SIDE
ZONE = Role.ZONE
DENY = Role.DENY
DENIED = Role.DENIED
NEUTRAL = Role.NEUTRAL
DOUBT = Role.DOUBT
DOUBTED = Role.DOUBTED
PAST = Role.PAST
AFTER = Role.AFTER
ELSEWHERE = Role.ELSEWHERE
HERE = Role.HERE
SHOWS = Role.SHOWS
STOP = Role.STOP
JOINT = Role.JOINT
CHOICE = Role.CHOICE
WITH = Role.WITH
VERB = Role.VERB
PREPOSITION = Role.PREPOSITION
ARTICLE = Role.ARTICLE
CHANGE = Role.CHANGE
SAME = Role.SAME
IGNORE = Role.IGNORE
COMMA = Role.COMMA
COLON = Role.COLON
SEMICOLON = Role.SEMICOLON
