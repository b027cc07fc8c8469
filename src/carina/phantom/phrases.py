"""The words of the dictations: names of findings, sentences about them, normal statements.

Findings come as noun phrases (`NOUNS`) that fit any frame, and as whole sentences
(`SENTENCES`). `HELD_OUT_PHRASINGS` is about a fifth of all: these are never to enter a lexicon,
so that a parser meets words it was not written for.

Fields: {side} "left", "right", "bilateral" or ""; {place} "in the left upper lobe" or "";
{degree} "small", "moderate", ...; {noun} the finding.
"""

NOUNS: dict[str, tuple[str, ...]] = {
    "pneumothorax": ("pneumothorax", "pneumothorax", "PTX", "pneumothrax"),
    "pleural effusion": ("pleural effusion", "pleural effusion", "effusion", "pleural efusion"),
    "consolidation": ("consolidation", "airspace consolidation", "airspace opacity"),
    "atelectasis": ("atelectasis", "atelectatic change", "atelectasis", "atelectesis"),
    "pulmonary edema": ("pulmonary edema", "edema", "interstitial edema", "pulmonary oedema"),
    "cardiomegaly": ("cardiomegaly", "cardiac enlargement", "cardiomegally"),
    "nodule": ("nodule", "pulmonary nodule", "nodular opacity", "lung nodule"),
    "mass": ("mass", "lung mass", "pulmonary mass", "mass lesion"),
    "emphysema": ("emphysema", "emphysematous change", "emphysema", "emphysma"),
    "fibrosis": ("fibrosis", "pulmonary fibrosis", "fibrotic change"),
    "interstitial opacity": (
        "interstitial opacity", "interstitial markings", "reticular opacities",
    ),
    "pleural thickening": ("pleural thickening", "pleural thickening", "thickening of the pleura"),
    "hiatal hernia": ("hiatal hernia", "hiatus hernia", "hiatal hernia"),
    "rib fracture": ("rib fracture", "displaced rib fracture", "rib fx", "fracture of the rib"),
    "granuloma": ("granuloma", "calcified granuloma", "calcified nodule"),
    "cavity": ("cavity", "cavitary lesion", "cavitation"),
    "hilar enlargement": ("hilar enlargement", "hilar fullness", "hilar prominence"),
    "mediastinal widening": (
        "mediastinal widening", "widening of the mediastinum", "widened mediastinum",
    ),
    "elevated hemidiaphragm": (
        "elevated hemidiaphragm", "elevation of the hemidiaphragm", "hemidiaphragm elevation",
    ),
    "scoliosis": ("scoliosis", "scoliotic curvature", "scoliosis of the thoracic spine"),
    "subcutaneous emphysema": (
        "subcutaneous emphysema", "subcutaneous air", "soft tissue emphysema",
    ),
    "tortuous aorta": ("tortuous aorta", "tortuosity of the aorta", "aortic tortuosity"),
    "hydropneumothorax": ("hydropneumothorax", "hydropneumothorax"),
    "lung abscess": ("lung abscess", "abscess"),
    "miliary nodules": ("miliary nodules", "miliary nodularity"),
    "empyema": ("empyema", "loculated empyema"),
    "bullae": ("bullae", "bullous change"),
    "endotracheal tube": ("endotracheal tube", "ET tube", "ETT"),
    "central venous catheter": (
        "central venous catheter", "central line", "PICC", "internal jugular catheter",
    ),
    "pacemaker": ("pacemaker", "pacer", "dual-lead pacemaker"),
    "chest tube": ("chest tube", "thoracostomy tube", "pleural drain"),
    "nasogastric tube": ("nasogastric tube", "NG tube", "enteric tube"),
    "sternal wires": ("sternal wires", "sternotomy wires", "median sternotomy wires"),
}  # fmt: skip

RIBS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")

SENTENCES: dict[str, tuple[str, ...]] = {
    "pleural effusion": (
        "Blunting of the {side} costophrenic angle, consistent with pleural effusion.",
        "{Degree} {side} effusion layering at the base.",
    ),
    "cardiomegaly": (
        "The heart is {grade} enlarged.",
        "Heart size is {grade} enlarged, cardiomegaly.",
        "The cardiac silhouette is enlarged.",
    ),
    "pulmonary edema": (
        "Perihilar opacities and vascular congestion compatible with {degree} pulmonary edema.",
        "{Degree} pulmonary vascular congestion with pulmonary edema.",
    ),
    "emphysema": (
        "The lungs are hyperinflated with flattened diaphragms, consistent with emphysema.",
        "Hyperlucent lungs with attenuated vessels in keeping with emphysema.",
    ),
    "elevated hemidiaphragm": ("The {side} hemidiaphragm is elevated.",),
    "mediastinal widening": ("The mediastinum is widened.", "The superior mediastinum is wide."),
    "tortuous aorta": ("The aorta is tortuous.", "Tortuous thoracic aorta."),
    "hiatal hernia": (
        "Retrocardiac density with an air-fluid level consistent with hiatal hernia.",
    ),
    "hilar enlargement": ("The {hilum} enlarged.", "Enlarged {hila}."),
    "consolidation": (
        "Focal consolidation {place} with air bronchograms.",
        "Patchy opacity {place} consistent with consolidation.",
    ),
    "atelectasis": ("Bandlike {side} basilar atelectasis.", "Platelike atelectasis {place}."),
    "pneumothorax": ("A thin pleural line is seen {place}, pneumothorax is present.",),
    "rib fracture": ("Displaced fracture of the {side} {rib} rib.",),
    "endotracheal tube": (
        "Endotracheal tube tip is {length} cm above the carina.",
        "The patient is intubated, ET tube in satisfactory position.",
    ),
    "nasogastric tube": (
        "Nasogastric tube terminates below the diaphragm.",
        "NG tube courses into the stomach.",
    ),
    "central venous catheter": (
        "{Side} central venous catheter terminates in the SVC.",
        "{Side} PICC with tip at the cavoatrial junction.",
    ),
    "chest tube": ("{Side} chest tube is in place.",),
    "pacemaker": ("{Side} chest wall pacemaker with leads in expected position.",),
    "sternal wires": (
        "Median sternotomy wires are intact.",
        "Status post sternotomy with intact sternal wires.",
    ),
    "scoliosis": ("There is scoliosis of the thoracic spine.",),
    "subcutaneous emphysema": ("Subcutaneous emphysema along the {side} chest wall.",),
}  # fmt: skip

HELD_OUT_PHRASINGS: dict[str, tuple[str, ...]] = {
    "pneumothorax": ("Air outlines the collapsed {side} lung.",),
    "pleural effusion": ("Fluid has collected at the {side} base.",),
    "consolidation": ("The {lobe} is white and airless.",),
    "atelectasis": ("Linear collapse at the {side} base.",),
    "pulmonary edema": ("The lungs look wet.",),
    "cardiomegaly": ("The heart takes up more than half of the chest.",),
    "nodule": ("A coin lesion projects over the {lobe}.",),
    "mass": ("A tumorous shadow sits {place}.",),
    "emphysema": ("Barrel-shaped, overly dark lungs.",),
    "fibrosis": ("Scarred, shrunken lung bases.",),
    "interstitial opacity": ("A lace-like pattern covers both lungs.",),
    "pleural thickening": ("A rind coats the {side} lung.",),
    "hiatal hernia": ("Part of the stomach lies behind the heart.",),
    "rib fracture": ("A {side} rib is broken.",),
    "granuloma": ("Old chalky spot {place}.",),
    "cavity": ("A hollow ring shadow lies {place}.",),
    "hilar enlargement": ("The {side} lung root is bulky.",),
    "mediastinal widening": ("The shadow between the lungs is too broad.",),
    "elevated hemidiaphragm": ("The {side} dome stands high.",),
    "scoliosis": ("The backbone curves sideways.",),
    "subcutaneous emphysema": ("Gas dissects through the muscles of the {side} chest.",),
    "tortuous aorta": ("The great vessel is unfolded.",),
    "hydropneumothorax": ("Air and fluid with a straight level fill the {side} pleura.",),
    "lung abscess": ("A pus-filled hollow lies {place}.",),
    "miliary nodules": ("Seed-like dots are sown over both lungs.",),
    "empyema": ("Pus is walled off along the {side} ribs.",),
    "bullae": ("Large air blebs {place}.",),
    "endotracheal tube": ("A breathing tube is in the windpipe.",),
    "central venous catheter": ("A venous line enters from the {side}.",),
    "pacemaker": ("An implanted pulse generator lies on the {side}.",),
    "chest tube": ("A drain enters the {side} chest.",),
    "nasogastric tube": ("A feeding tube runs to the stomach.",),
    "sternal wires": ("Metal loops hold the breastbone.",),
}

FRAMES = (
    "There is {a} {degree} {noun} {place}.",
    "{Degree} {noun} {place}.",
    "{A} {degree} {noun} is seen {place}.",
    "{Noun} is present {place}.",
    "{Degree} {noun} is noted {place}.",
    "Findings consistent with {degree} {noun} {place}.",
)
HEDGED_FRAMES = (
    "Possible {noun} {place}.",
    "Opacity {place} may represent {noun}.",
    "Findings could reflect {noun} {place}.",
    "{Noun} {place} cannot be excluded.",
    "Questionable {noun} {place}.",
    "Probable {noun} {place}.",
)
DEVICE_FRAMES = (
    "{A} {noun} is in place.",
    "{Noun} is seen in standard position.",
    "Interval placement of {a} {noun}.",
)
UNCHANGED_FRAMES = (
    "{Degree} {noun} {place} is unchanged.",
    "Stable {degree} {noun} {place}.",
    "No significant change in the {degree} {noun} {place}.",
    "Persistent {noun} {place}.",
)
NEW_FRAMES = (
    "New {degree} {noun} {place}.",
    "Interval development of {a} {degree} {noun} {place}.",
)
RESOLVED_FRAMES = (
    "The previously seen {noun} has resolved.",
    "{Noun} is no longer seen.",
    "Interval resolution of the {noun}.",
)
REMOVED_FRAMES = ("The {noun} has been removed.", "Interval removal of the {noun}.")
ABSENT_FRAMES = (
    "No {list}.",
    "There is no {list}.",
    "No evidence of {list}.",
    "No {list} is seen.",
    "No definite {list}.",
    "Negative for {list}.",
    "Without {list}.",
)
NORMAL: dict[tuple[str, ...], tuple[str, ...]] = {
    ("consolidation", "nodule", "mass", "pulmonary edema", "atelectasis", "cavity", "fibrosis",
     "interstitial opacity", "granuloma", "emphysema", "lung abscess", "miliary nodules",
     "bullae"): (
        "The lungs are clear.", "Lungs are clear bilaterally.", "Clear lungs.",
        "The lungs are well expanded and clear.",
    ),
    ("cardiomegaly",): (
        "Heart size is normal.", "The cardiac silhouette is within normal limits.",
        "The heart is not enlarged.", "Cardiac size is normal.",
    ),
    ("mediastinal widening", "hilar enlargement", "tortuous aorta"): (
        "Mediastinal and hilar contours are normal.",
        "The mediastinal contour is unremarkable.",
    ),
    ("rib fracture", "scoliosis"): (
        "The osseous structures are unremarkable.", "No acute bony abnormality.",
        "Bones are intact.",
    ),
    ("pleural effusion", "pleural thickening", "empyema", "hydropneumothorax"): (
        "The costophrenic angles are sharp.", "Pleural spaces are clear.",
    ),
}  # fmt: skip
"""Normal statements, each only true when none of its findings is there."""

NOTHING = (
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary process.",
    "Normal chest radiograph.",
    "No acute disease.",
    "Unremarkable chest.",
)
INDICATIONS = (
    "Shortness of breath.", "Cough and fever.", "Chest pain.", "Evaluate for pneumonia.",
    "Fall.", "Preoperative evaluation.", "Rule out pneumothorax.", "Dyspnea, ___.",
    "Hypoxia, assess for edema.", "Follow up.", "Weight loss.", "Line placement.",
)  # fmt: skip
DEGREES = {
    1: ("mild", "minimal", "slight"),
    2: ("moderate",),
    3: ("severe", "marked", "extensive"),
    4: ("severe", "florid"),
}
SIZED = (
    "pneumothorax", "pleural effusion", "nodule", "mass", "granuloma", "cavity", "hiatal hernia",
    "hydropneumothorax", "lung abscess", "empyema",
)  # fmt: skip
SIZES = {1: ("small",), 2: ("moderate-sized", "medium-sized"), 3: ("large",)}
PLURAL = (
    "interstitial opacity", "sternal wires", "miliary nodules", "bullae",
)  # fmt: skip
UNCOUNTED = (
    "consolidation", "atelectasis", "pulmonary edema", "cardiomegaly", "emphysema", "fibrosis",
    "pleural thickening", "hilar enlargement", "mediastinal widening", "scoliosis",
    "subcutaneous emphysema",
)  # fmt: skip
OFTEN_DENIED = (
    "pneumothorax", "pleural effusion", "consolidation", "pulmonary edema", "atelectasis",
    "cardiomegaly", "nodule", "mass", "rib fracture", "cavity", "emphysema", "fibrosis",
    "hilar enlargement", "mediastinal widening", "granuloma", "subcutaneous emphysema",
    "pleural thickening", "hiatal hernia", "scoliosis", "interstitial opacity",
)  # fmt: skip
DENIAL_WEIGHTS = (
    10, 10, 8, 5, 3, 3, 4, 3, 4, 2, 2, 2, 2, 2, 1.5, 2, 2, 1.5, 1.5, 2,
)  # fmt: skip
