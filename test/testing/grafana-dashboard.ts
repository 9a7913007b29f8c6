import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** The parts of the dashboard that tests look at. */
export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { query: string } }[];
  };
}

/** Reads the dashboard that users import. */
export function readDashboard(): Dashboard {
  const path = join(import.meta.dirname, "../../examples/grafana/guestd.json");
  return JSON.parse(readFileSync(path, "utf8")) as Dashboard;
}
