"use strict";
// The search box: shows the entries and rows that have all of the words in it. Without this script,
// the page is whole, and has no box.
const box = document.getElementById("search");
const found = document.getElementById("found");
const folds = [...document.querySelectorAll("main details")];
const groups = [...document.querySelectorAll("main > section")];
let entries; // read when somebody searches
let closedBefore; // what to close again behind the search; undefined while there is none

const text = (element) => element.textContent.toLowerCase();

function read() {
  return [...document.querySelectorAll(".entry")].map((element) => ({
    element,
    parts: [...element.querySelector(":scope > div").children],
    head: [...element.querySelectorAll(":scope > summary, :scope > div > .about")].map(text).join(" "),
    rows: [...element.querySelectorAll(".fields tr")].map((row) => ({ row, text: text(row) })),
  }));
}

/** Shows all of an entry whose head has the words, else its rows that have them; how many rows. */
function filter(entry, words) {
  const has = (text) => words.every((word) => text.includes(word));
  const whole = has(entry.head);
  let rows = 0;
  for (const it of entry.rows) {
    it.row.hidden = !whole && !has(it.text);
    rows += !whole && !it.row.hidden;
  }
  for (const part of entry.parts) part.hidden = !whole && !part.querySelector(".fields tr:not([hidden])");
  entry.element.hidden = !whole && !rows;
  entry.element.open = rows > 0;
  return rows;
}

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  entries ??= read();
  if (words.length && !closedBefore) {
    closedBefore = folds.filter((it) => !it.open);
    for (const it of folds) if (it.querySelector(".entry")) it.open = true;
  }
  let rows = 0;
  for (const entry of entries) rows += filter(entry, words);
  const shown = entries.filter((it) => !it.element.hidden).length;
  for (const group of groups) {
    group.hidden = words.length > 0 && !group.querySelector(".entry:not([hidden])");
  }
  if (!words.length && closedBefore) {
    for (const it of folds) it.open = !closedBefore.includes(it);
    closedBefore = undefined;
  }
  found.textContent = !words.length ? "" : shown ? `${shown} found, ${rows} fields in them` : "Nothing found.";
}

/** Opens what the fragment leads into, for browsers that do not by themselves. */
function reveal() {
  const target = document.querySelector(":target");
  let fold = target?.closest("details:not([open])");
  if (!fold) return;
  for (; fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}

box.addEventListener("input", search);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== box) {
    event.preventDefault();
    box.focus();
  }
});
// A link may lead to what the search has hidden.
document.addEventListener("click", (event) => {
  if (box.value && event.target.closest('a[href^="#"]')) {
    box.value = "";
    search();
  }
});
addEventListener("hashchange", reveal);
box.parentElement.hidden = false;
reveal();
