import { FIRST_PROCESS, type Route, routeHref } from "../state/route.ts";
import { COLUMNS, type Row } from "./overview-columns.ts";

interface OverviewRowProps {
  readonly row: Row;
  /** Number of the line in the whole table, from 1. */
  readonly index: number;
  fold(key: string): void;
}

/** One line of the tree. */
export function OverviewRow({ row, index, fold }: OverviewRowProps) {
  const { key, kind, depth, name, detail, isFolded } = row;
  const route = routeOf(row);
  return (
    <tr class={kind} aria-rowindex={index} data-key={key}>
      <th scope="row" title={detail === "" ? name : `${name}  ${detail}`}>
        <span class={`indent depth-${depth}`}>
          {isFolded === undefined ? (
            <span class="fold" />
          ) : (
            <button
              type="button"
              class="fold"
              aria-expanded={!isFolded}
              aria-label={`${isFolded ? "unfold" : "fold"} ${name}`}
              onClick={() => fold(key)}
            >
              {isFolded ? "▸" : "▾"}
            </button>
          )}
          {route === undefined ? <span>{name}</span> : <a href={routeHref(route)}>{name}</a>}
          {detail !== "" && <span class="quiet">{detail}</span>}
        </span>
      </th>
      {COLUMNS.map((column) => {
        const text = column.text(row);
        return (
          <td
            key={column.name}
            class={`${column.name} ${column.name === "state" ? stateClass(text) : "number"}`}
            style={{ backgroundSize: `${shareWidth(column.share?.(row))} 2px` }}
          >
            {text}
          </td>
        );
      })}
    </tr>
  );
}

/** Returns the view of a line; undefined for a forward. */
function routeOf({ kind, guest, container, process }: Row): Route | undefined {
  if (kind === "guest") return { view: "guest", guest: guest.name, tab: "usage" };
  if (container === undefined) return undefined;
  const place = { view: "container", guest: guest.name, container: container.id } as const;
  if (process === undefined) return { ...place, tab: "usage" };
  return { ...place, tab: "terminal", exec: process.exec === "" ? FIRST_PROCESS : process.exec };
}

/** Returns the filled part of a cell's width. */
function shareWidth(share = 0): string {
  return `${Math.min(100, share * 100).toFixed(0)}%`;
}

function stateClass(state: string): string {
  if (state === "live" || state === "running" || state === "open") return "good";
  return state === "lost" || state.startsWith("exit") ? "bad" : "quiet";
}
