import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Sort, treeRows } from "../../engine/tree/tree-rows.ts";
import { Heading } from "../parts/heading.tsx";
import { useWindow } from "../parts/use-window.ts";
import { guests } from "../state/guests.ts";
import { COLUMNS, type Row } from "./overview-columns.ts";
import { pressOnRow } from "./overview-keys.ts";
import { OverviewRow } from "./overview-row.tsx";

/** Height of a line in pixels, as in page.css. */
const ROW_HEIGHT = 26;

// Outlive the view, so that a return finds them as they were.
const folded = signal<ReadonlySet<string>>(new Set());
const filter = signal("");
const sort = signal<Sort>("name");

function fold(key: string): void {
  const next = new Set(folded.value);
  if (!next.delete(key)) next.add(key);
  folded.value = next;
}

/** The foldable tree of guests, containers and processes. */
export function Overview() {
  const all = guests.value ?? [];
  const rows = treeRows(all, { folded: folded.value, filter: filter.value, sort: sort.value });
  const { box, first, end, above, below } = useWindow(rows.length, ROW_HEIGHT);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "/" && !isTyping(event.target)) {
        event.preventDefault();
        document.getElementById("filter")?.focus();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  const containers = all.reduce((sum, guest) => sum + guest.containers.length, 0);
  return (
    <div class="overview">
      <div class="bar">
        <Heading title="Overview">
          {count(all.length, "guest")}, {count(containers, "container")}
        </Heading>
        <label>
          Filter{" "}
          <input
            id="filter"
            type="search"
            autocomplete="off"
            spellcheck={false}
            placeholder="/"
            value={filter.value}
            onInput={({ currentTarget }) => (filter.value = currentTarget.value)}
          />
        </label>
        <label class="narrow-only">
          Sort{" "}
          <select value={sort.value} onChange={({ currentTarget }) => (sort.value = currentTarget.value as Sort)}>
            {["name", "cpu", "memory", "io", "network", "streams"].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <span role="status" class="quiet">
          {filter.value === "" ? "" : count(rows.length, "line")}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys of the links and buttons inside arrive here */}
      <div
        class="scroll"
        ref={box}
        onKeyDown={(event) => pressOnRow(event, rows, { fold, isFolded: (key) => folded.value.has(key) })}
      >
        <table class="tree" aria-rowcount={rows.length + 1}>
          <caption class="hidden">Guests, their containers and processes</caption>
          <thead>
            <tr aria-rowindex={1}>
              <SortHeader name="name" title="Guest / container / process" meaning="name" by="name" />
              {COLUMNS.map(({ name, title, meaning, sort: by }) => (
                <SortHeader key={name} name={name} title={title} meaning={meaning} by={by} />
              ))}
            </tr>
          </thead>
          <tbody>
            <Space height={above} />
            {rows.slice(first, end).map((row: Row, at) => (
              <OverviewRow key={row.key} row={row} index={first + at + 2} fold={fold} />
            ))}
            <Space height={below} />
          </tbody>
        </table>
        {guests.value === undefined && <p class="quiet">Loading guests …</p>}
        {guests.value?.length === 0 && (
          <p class="quiet">
            No guest runs. Start one: <code>guestctl run -d IMAGE COMMAND</code>
          </p>
        )}
      </div>
    </div>
  );
}

interface SortHeaderProps {
  readonly name: string;
  readonly title: string;
  readonly meaning: string;
  readonly by: Sort | undefined;
}

function SortHeader({ name, title, meaning, by }: SortHeaderProps) {
  const isCurrent = by !== undefined && sort.value === by;
  const order = by === "name" ? "ascending" : "descending";
  return (
    <th scope="col" class={name} title={meaning} aria-sort={isCurrent ? order : undefined}>
      {by === undefined ? (
        title
      ) : (
        <button type="button" onClick={() => (sort.value = by)}>
          {title}
          {isCurrent && <span aria-hidden="true">{by === "name" ? " ▴" : " ▾"}</span>}
        </button>
      )}
    </th>
  );
}

/** Stands for lines that are not rendered. */
function Space({ height }: { readonly height: number }) {
  if (height === 0) return null;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a table row without controls has no focus
    <tr aria-hidden="true" class="space">
      <td style={{ height: `${height}px` }} />
    </tr>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
