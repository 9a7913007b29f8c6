import { goTo } from "../state/route.ts";
import type { Row } from "./overview-columns.ts";

interface Folding {
  fold(key: string): void;
  isFolded(key: string): boolean;
}

/** Applies a key to the line that has the focus: the keys of guestctl top. */
export function pressOnRow(event: KeyboardEvent, rows: readonly Row[], { fold, isFolded }: Folding): void {
  if (event.ctrlKey || event.altKey || event.metaKey || !(event.target instanceof HTMLElement)) return;
  const line = event.target.closest<HTMLElement>("tr[data-key]");
  const row = rows.find(({ key }) => key === line?.dataset["key"]);
  if (line === null || row === undefined) return;
  const { guest, container } = row;
  switch (event.key) {
    case "ArrowDown":
      focusLine(line.nextElementSibling);
      break;
    case "ArrowUp":
      focusLine(line.previousElementSibling);
      break;
    case "ArrowLeft":
    case "ArrowRight":
      if (row.isFolded === undefined || isFolded(row.key) === (event.key === "ArrowLeft")) return;
      fold(row.key);
      break;
    case "l":
      if (container === undefined) goTo({ view: "guest", guest: guest.name, tab: "logs" });
      else goTo({ view: "container", guest: guest.name, container: container.id, tab: "logs" });
      break;
    case "s":
      if (container === undefined) return;
      goTo({ view: "container", guest: guest.name, container: container.id, tab: "terminal" });
      break;
    case "d":
      if (container === undefined) goTo({ view: "guest", guest: guest.name, tab: "boot" });
      else goTo({ view: "container", guest: guest.name, container: container.id, tab: "plan" });
      break;
    default:
      return;
  }
  event.preventDefault();
}

/** Moves the focus to a line's link, or to its button. */
function focusLine(line: Element | null): void {
  line?.querySelector<HTMLElement>("a, button")?.focus();
}
