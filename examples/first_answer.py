"""Asks the model that `make demo` trained about a patient it never saw."""

import carina
from carina.phantom.cohort import PhantomConfig, draw_study

study = draw_study(PhantomConfig(), 3129)  # a test patient of the demo's cohort
print(study.report)

model = carina.load("demo/run")
abscess = carina.Query("lung abscess", description="a thick-walled cavity with a fluid level")
answer = model.ask([study.image], ["pacemaker", "pulmonary edema", "pneumothorax", abscess])
for query, score in zip(answer.queries, answer.scores[0], strict=True):
    print(f"{query.name:<16} {score:.2f}")
answer.save("answer")  # scores.csv, scores.json, heat-maps, index.html
