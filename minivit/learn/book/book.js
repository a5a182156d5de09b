// Light or dark, the contents on a small screen, where the reader is, and pictures in their full size.
"use strict";
const find = (selector, inside = document) => inside.querySelector(selector);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const root = document.documentElement;

// The theme follows the system until the reader chooses one; a browser may refuse to remember it.
function remembered(value) {
  try {
    if (value) localStorage.setItem("minivit-theme", value);
    return localStorage.getItem("minivit-theme");
  } catch { return value; }
}
const system = matchMedia("(prefers-color-scheme: dark)");
function applyTheme(chosen) {
  if (chosen) root.dataset.theme = chosen;
  const dark = chosen ? chosen === "dark" : system.matches;
  find("#theme").textContent = dark ? "Light" : "Dark";
}
applyTheme(remembered());
system.addEventListener("change", () => applyTheme(root.dataset.theme));
find("#theme").addEventListener("click", event => applyTheme(remembered(event.target.textContent.toLowerCase())));

// On a small screen the contents lie over the text, until a part is chosen.
function openMenu(open) {
  document.body.classList.toggle("menu-open", open);
  find("#menu").setAttribute("aria-expanded", open);
}
find("#menu").addEventListener("click", () => openMenu(find("#menu").getAttribute("aria-expanded") === "false"));
find("#contents").addEventListener("click", event => { if (event.target.closest("a")) openMenu(false); });
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && document.body.classList.contains("menu-open")) {
    openMenu(false);
    find("#menu").focus();
  }
});

// Where the reader is: the last chapter and the last section that began above a third of the window.
const chapters = all("section.chapter"), entries = all("#contents > ol > li");
let current = -1;
function began(element) { return element.getBoundingClientRect().top < innerHeight / 3; }
function locate() {
  const now = chapters.findLastIndex(began);
  if (now !== current) {
    current = now;
    entries.forEach((entry, place) => entry.classList.toggle("current", place === now));
    find("#here").textContent = now < 0 ? "minivit" : find("a", entries[now]).textContent.trim();
    if (now >= 0) entries[now].scrollIntoView({ block: "nearest" });
  }
  const section = now < 0 ? undefined : all("h3", chapters[now]).findLast(began);
  const here = now < 0 ? undefined : section ? "#" + section.id : find("a", entries[now]).getAttribute("href");
  for (const link of all("#contents [aria-current]")) link.removeAttribute("aria-current");
  if (here) all("#contents a").find(link => link.getAttribute("href") === here).setAttribute("aria-current", "location");
}
let asked = false;
function locateSoon() {
  if (!asked) requestAnimationFrame(() => { asked = false; locate(); });
  asked = true;
}
addEventListener("scroll", locateSoon, { passive: true });
addEventListener("resize", locateSoon);
locate();

for (const button of all("button.picture")) {
  button.addEventListener("click", () => {
    const picture = find("img", button), large = find("#large img");
    large.src = picture.src;
    large.alt = picture.alt;
    find("#large").showModal();
  });
}
find("#large").addEventListener("click", event => { if (event.target.id === "large") event.target.close(); });

requestAnimationFrame(() => { window.minivit = { opened: performance.now() }; });
