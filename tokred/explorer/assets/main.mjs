/* The page as a whole: heading, tabs, and the first rendering. */
import { COLUMNS, DATA, ROWS, STAGES } from "./data.mjs";
import { choose, listeners, state, TABS } from "./state.mjs";
import { byId, element, plural } from "./dom.mjs";
import { showImages, startImages } from "./images.mjs";
import { showDepth, startDepth } from "./depth.mjs";
import { showPerformance, startPerformance } from "./performance.mjs";

function startHeading() {
  const rates = DATA.rates.map((rate) => +(100 * rate).toFixed(6)).join(", ");
  const facts = [
    plural(DATA.datasets.length, "data set"),
    plural(DATA.backbones.length, "backbone"),
    plural(DATA.methods.length - 1, "method"),
    `keep rate${DATA.rates.length > 1 ? "s" : ""} ${rates}\u202f%`,
    `${ROWS}\u202f\u00d7\u202f${COLUMNS} tokens`,
    `stages in block${STAGES > 1 ? "s" : ""} ${DATA.locations.join(", ")} of ${DATA.depth}`,
    DATA.seeds.length > 1 ? `seed ${DATA.seeds[0]} of ${DATA.seeds.join(", ")}` : `seed ${DATA.seeds[0]}`,
  ];
  byId("facts").append(...facts.map((fact) => element("span", {}, fact)));
}

/* Tabs: only the selected one is in the tab order, arrow keys move between them. */
function startTabs() {
  const tabs = TABS.map((name) => byId(`tab-${name}`));
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose({ tab: TABS[index] }));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: TABS.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = (to + TABS.length) % TABS.length;
      choose({ tab: TABS[next] });
      tabs[next].focus();
    });
  });
}

function showTabs() {
  for (const name of TABS) {
    const chosen = name === state.tab;
    byId(`tab-${name}`).setAttribute("aria-selected", String(chosen));
    byId(`tab-${name}`).tabIndex = chosen ? 0 : -1;
    byId(name).hidden = !chosen;
  }
}

startHeading();
startTabs();
startImages();
startDepth();
startPerformance();
listeners.push(showTabs, showImages, showDepth, showPerformance);
listeners.forEach((listener) => listener());
