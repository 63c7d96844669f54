// Tabs: a panel that is shown gets the event `opened`.

import { $ } from "./common.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

export function open(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  $(tab.getAttribute("aria-controls")).dispatchEvent(new Event("opened"));
}

tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tabs[to % tabs.length].focus();
    open(tabs[to % tabs.length]);
  });
});
