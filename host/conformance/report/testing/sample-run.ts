import type { CaseResult, Run } from "../../results.ts";

function result(parts: Partial<CaseResult>): CaseResult {
  return {
    ...{ name: "Check: answers SERVING", group: "health", level: "must", source: "Go shim", protocol: "ttrpc" },
    ...{ state: "passed", ms: 1.5, calls: [], droppedCalls: 0 },
    ...parts,
  };
}

/** Markup that must arrive as text. */
export const HOSTILE = `<img src=x onerror="alert(1)">&'\u0007`;

/** A run with a result of every kind. */
export function sampleRun(parts: Partial<Run> = {}): Run {
  return {
    environment: {
      ...{ agent: "unix:///run/agent.sock", agentVersion: "4.1.0", suiteVersion: "0.1.0", contract: "4.1.0" },
      ...{ protocols: ["ttrpc"], seed: 7, node: "v24.0.0", kernel: "6.1.0", architecture: "x64" },
      surroundings: "those of the running agent",
      begun: "2026-11-28T03:00:00.000Z",
    },
    require: "must",
    results: [
      result({}),
      result({
        ...{
          name: "WaitProcess: returns the exit code 42",
          group: "signals",
          state: "failed",
          reason: "the status differs",
        },
        ...{ expected: { status: 42 }, actual: { status: 0, text: HOSTILE } },
        calls: [
          {
            ...{ call: "grpc.AgentService/WaitProcess", connection: 1, at: 0.5, ms: 2, request: { container_id: "c" } },
            response: { status: 0 },
          },
          {
            ...{
              call: "grpc.AgentService/RemoveContainer",
              connection: 1,
              at: 3,
              ms: 1,
              request: { container_id: HOSTILE },
            },
            error: { code: "internal", text: HOSTILE },
          },
          { call: "grpc.AgentService/GetOOMEvent", connection: 2, at: 4, request: {} },
        ],
        droppedCalls: 3,
      }),
      result({ name: "GetMetrics: answers", level: "should", state: "failed", reason: "no", knownFailure: "issue 7" }),
      result({ name: "CopyFile: copies", state: "unsupported", reason: "not implemented" }),
      result({ name: "AddSwap: adds", level: "should", state: "unsupported", reason: "not implemented" }),
      result({ name: "SetPolicy: sets", level: "should", state: "skipped", reason: "needs --start" }),
      result({ name: "Explain: explains", level: "may", state: "disabled" }),
      result({ name: "ListRoutes: lists", knownFailure: "issue 8" }),
      result({ name: "Upgrade: upgrades", level: "may", state: "failed", reason: "no" }),
    ],
    problems: [],
    ms: 1234.5,
    ...parts,
  };
}
