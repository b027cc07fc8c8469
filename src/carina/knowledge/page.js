"use strict";
const graph = JSON.parse(document.getElementById("graph").textContent);
const [ID, NAME, KIND, TEXT, SYNONYMS, RELATED, CUIS, TYPES] = [0, 1, 2, 3, 4, 5, 6, 7];
const SHOWN = 100;
const place = new Map(graph.concepts.map((concept, i) => [concept[ID], i]));
const leaving = graph.concepts.map(() => []);
const arriving = graph.concepts.map(() => []);
for (let i = 0; i < graph.relations.length; i += 3) {
  const [head, kind, tail] = graph.relations.slice(i, i + 3);
  leaving[head].push([kind, tail]);
  arriving[tail].push([kind, head]);
}
const joined = graph.concepts.map((_, i) => leaving[i].length + arriving[i].length);
const texts = graph.concepts.map(concept =>
  [concept[NAME], ...concept[SYNONYMS], concept[ID]].join("\n").toLowerCase());
const box = document.getElementById("query");
const list = document.getElementById("found");
const count = document.getElementById("count");
const view = document.getElementById("concept");

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}
function address(i) { return "#" + encodeURIComponent(graph.concepts[i][ID]); }
function link(i, parent) {
  const made = element("a", graph.concepts[i][NAME], parent);
  made.href = address(i);
  return made;
}
// Lower is better: the name itself, its beginning, the beginning of a word, a synonym.
function distance(i, query) {
  const name = graph.concepts[i][NAME].toLowerCase();
  if (name === query) return 0;
  if (texts[i].split("\n").includes(query)) return 1;
  if (name.startsWith(query)) return 2;
  if (name.includes(" " + query)) return 3;
  return name.includes(query) ? 4 : 5;
}
function search() {
  const query = box.value.trim().toLowerCase().replace(/\s+/g, " ");
  let hits = [];
  for (let i = 0; i < texts.length; i++) if (texts[i].includes(query)) hits.push(i);
  const total = hits.length;
  if (query) {
    const near = new Map(hits.map(i => [i, distance(i, query)]));
    hits.sort((a, b) => near.get(a) - near.get(b) || texts[a].length - texts[b].length);
  } else hits.sort((a, b) => joined[b] - joined[a]);
  hits = hits.slice(0, SHOWN);
  count.textContent = total.toLocaleString("en") + (total === 1 ? " concept" : " concepts") +
    (total > SHOWN ? ", " + (query ? "the nearest " : "the best connected ") + SHOWN : "");
  list.replaceChildren(...hits.map(i => {
    const item = element("li");
    const made = link(i, item);
    if (address(i) === location.hash) made.setAttribute("aria-current", "true");
    const other = query && !graph.concepts[i][NAME].toLowerCase().includes(query) &&
      graph.concepts[i][SYNONYMS].find(text => text.toLowerCase().includes(query));
    if (other) element("small", other, made);
    return item;
  }));
}
function chips(parent, items, put) {
  const made = element("ul", "", parent);
  const show = end => made.replaceChildren(...items.slice(0, end).map(item => {
    const chip = element("li");
    put(item, chip);
    return chip;
  }));
  show(SHOWN);
  if (items.length > SHOWN) {
    const button = element("button", "Show all " + items.length.toLocaleString("en"), parent);
    button.type = "button";
    button.onclick = () => { show(items.length); button.remove(); };
  }
}
function texts_of(title, items) {
  if (!items.length) return;
  element("h3", title, view);
  chips(view, items, (text, chip) => { chip.textContent = text; });
}
function relations(title, pairs) {
  if (!pairs.length) return;
  element("h3", title, view);
  const groups = new Map();
  for (const [kind, other] of pairs) {
    if (!groups.has(kind)) groups.set(kind, []);
    groups.get(kind).push(other);
  }
  for (const [kind, others] of groups) {
    element("h4", graph.relation_kinds[kind] + " (" + others.length.toLocaleString("en") + ")",
      view);
    chips(view, others, link);
  }
}
function way_up(i) {
  const seen = new Set([i]);
  const way = [];
  const is_a = graph.relation_kinds.indexOf("is a");
  for (;;) {
    const up = leaving[i].find(([kind, other]) => kind === is_a && !seen.has(other));
    if (!up) return way;
    i = up[1];
    seen.add(i);
    way.unshift(i);
  }
}
function show() {
  const id = decodeURIComponent(location.hash.slice(1));
  const i = place.get(id);
  view.replaceChildren();
  for (const made of list.querySelectorAll("[aria-current]")) made.removeAttribute("aria-current");
  if (i === undefined) {
    element("p", id ? "No concept of this graph has the id " + id + "." :
      "Choose a concept, or type a name, a synonym or an id.", view).className = "soft";
    return;
  }
  for (const made of list.querySelectorAll("a"))
    if (made.getAttribute("href") === location.hash) made.setAttribute("aria-current", "true");
  const concept = graph.concepts[i];
  const way = element("p", "", view);
  way.className = "small soft";
  for (const above of way_up(i)) { link(above, way); way.append(" › "); }
  element("h2", concept[NAME], view);
  const facts = [concept[ID], graph.kinds[concept[KIND]], ...concept[TYPES],
    ...concept[CUIS].filter(cui => cui !== concept[ID])];
  element("p", facts.join(" · "), view).className = "small soft";
  element("p", concept[TEXT] || "No definition.", view).className = concept[TEXT] ? "" : "soft";
  texts_of("Synonyms", concept[SYNONYMS]);
  texts_of("Broader, narrower or near names", concept[RELATED]);
  relations("Relations to others", leaving[i]);
  relations("Relations from others", arriving[i]);
  document.title = concept[NAME] + " – " + graph.title;
}
box.addEventListener("input", search);
addEventListener("hashchange", () => {
  show();
  if (matchMedia("(max-width:760px)").matches) view.scrollIntoView();
});
search();
show();
