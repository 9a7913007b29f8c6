/** GET /api/reports: conformance reports in the folder of --reports, the latest first. */
export interface ReportsAnswer {
  readonly reports: readonly ReportHead[];
  /** One line: why there are none, and how to get some. */
  readonly note?: string;
}

export type CaseState = "passed" | "failed" | "skipped" | "unsupported" | "disabled";

export interface ReportHead {
  /** Name of the file, for GET /api/reports/NAME. */
  readonly name: string;
  readonly agent: string;
  readonly agentVersion: string;
  /** ISO 8601. */
  readonly begun: string;
  readonly isConformant: boolean;
  readonly counts: Readonly<Partial<Record<CaseState, number>>>;
}

/** GET /api/reports/NAME */
export interface ReportAnswer extends ReportHead {
  readonly problems: readonly string[];
  readonly cases: readonly ReportCase[];
}

export interface ReportCase {
  readonly name: string;
  readonly group: string;
  readonly level: string;
  readonly protocol: string;
  readonly state: CaseState;
  /** One line: why the case has any state but passed. */
  readonly reason?: string | undefined;
  readonly ms: number;
}
