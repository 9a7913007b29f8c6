import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../../../lib/parse-json.ts";
import type { Route } from "../http/routes.ts";
import type { ReportAnswer, ReportCase, ReportHead, ReportsAnswer } from "../protocol/reports.ts";
import { RequestFailure } from "../request-failure.ts";

const MAX_REPORTS = 100;
const MAX_BYTES = 64 << 20;
const NAME = /^[\w.-]{1,200}\.json$/;
const NO_FOLDER =
  "no folder of reports: guestctl conformance --json FOLDER/NAME.json writes them, guestctl serve --reports FOLDER shows them";

/** Conformance reports in the folder of --reports. */
export const reportRoutes: readonly Route[] = [
  { method: "GET", path: "/api/reports", handle: ({ context }) => listReports(context.reports) },
  {
    method: "GET",
    path: "/api/reports/:name",
    async handle({ params: { name = "" }, context: { reports } }) {
      if (reports === undefined || !NAME.test(name)) throw new RequestFailure(404, `report ${name}: no such report`);
      const report = await readReport(reports, name);
      if (report !== undefined) return report;
      throw new RequestFailure(404, `report ${name}: no such report of guestctl conformance`);
    },
  },
];

async function listReports(folder: string | undefined): Promise<ReportsAnswer> {
  if (folder === undefined) return { reports: [], note: NO_FOLDER };
  const names = (await readdir(folder)).filter((name) => NAME.test(name)).slice(0, MAX_REPORTS);
  const reports: ReportHead[] = [];
  for (const name of names) {
    const report = await readReport(folder, name);
    if (report === undefined) continue;
    const { cases: _, problems: _problems, ...head } = report;
    reports.push(head);
  }
  return { reports: reports.toSorted((a, b) => b.begun.localeCompare(a.begun)) };
}

/** Returns undefined for a file that is no report. */
async function readReport(folder: string, name: string): Promise<ReportAnswer | undefined> {
  try {
    const path = join(folder, name);
    if ((await stat(path)).size > MAX_BYTES) return undefined;
    return reportOf(name, JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Takes the fields of a report as `guestctl conformance --json` writes it; undefined for other JSON. */
export function reportOf(name: string, report: unknown): ReportAnswer | undefined {
  if (!isJsonObject(report) || report["format"] !== 1 || !Array.isArray(report["cases"])) return undefined;
  const environment = isJsonObject(report["environment"]) ? report["environment"] : {};
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    name,
    agent: text(environment["agent"]),
    agentVersion: text(environment["agentVersion"]),
    begun: text(environment["begun"]),
    isConformant: report["conformant"] === true,
    counts: isJsonObject(report["counts"]) ? (report["counts"] as ReportHead["counts"]) : {},
    problems: Array.isArray(report["problems"]) ? report["problems"].map(text) : [],
    cases: report["cases"].flatMap((each: unknown) => {
      if (!isJsonObject(each)) return [];
      const { state, reason, ms } = each;
      const found = {
        name: text(each["name"]),
        group: text(each["group"]),
        level: text(each["level"]),
        protocol: text(each["protocol"]),
        state: state as ReportCase["state"],
        ...(typeof reason === "string" ? { reason } : {}),
        ms: typeof ms === "number" ? ms : 0,
      };
      return [found];
    }),
  };
}
