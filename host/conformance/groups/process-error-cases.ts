import type { ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { refused } from "../check.ts";
import { none, row, TABLE } from "./refusal-case.ts";

/** Calls on a process, by ids that the case makes. */
export const ON_PROCESS: Readonly<Record<string, (context: CaseContext, ids: typeof none) => Promise<unknown>>> = {
  SignalProcess: ({ agent }, ids) => agent.signalProcess({ ...ids, signal: 15 }),
  WaitProcess: ({ agent }, ids) => agent.waitProcess(ids),
  ReadStdout: ({ agent }, ids) => agent.readStdout({ ...ids, len: 1 }),
  ReadStderr: ({ agent }, ids) => agent.readStderr({ ...ids, len: 1 }),
  CloseStdin: ({ agent }, ids) => agent.closeStdin(ids),
  TtyWinResize: ({ agent }, ids) => agent.ttyWinResize({ ...ids, row: 1, column: 1 }),
};

const PROCESS_ROWS = Object.entries(ON_PROCESS).flatMap(([name, call]): ConformanceCase[] => [
  row(`${name}: of an unknown container is INVALID_ARGUMENT`, "should", ["invalid-argument"], /container/i, [
    (context) => call(context, none),
  ]),
  {
    name: `${name}: of an unknown exec is NOT_FOUND`,
    level: "should",
    source: TABLE,
    needs: ["rootfs"],
    run: async (context) => {
      const container_id = await context.sleeper();
      await refused(call(context, { container_id, exec_id: "conf-no-such" }), { codes: ["not-found"] });
    },
  },
]);

/** Cases of calls on processes that were waited for. */
const ENDED_PROCESS: readonly ConformanceCase[] = [
  {
    name: "SignalProcess: calls on a first process that was waited for are NOT_FOUND",
    level: "may",
    source: "guestd; the reference answers INVALID_ARGUMENT to some",
    needs: ["rootfs"],
    run: async (context) => {
      const container_id = await context.start(["true"]);
      await context.finish(container_id);
      for (const [name, call] of Object.entries(ON_PROCESS)) {
        if (name === "WaitProcess") continue;
        await refused(call(context, { container_id, exec_id: container_id }), { codes: ["not-found"] });
      }
    },
  },
  {
    name: "WriteStdin: to a process that was waited for is INTERNAL",
    level: "should",
    source: TABLE,
    needs: ["rootfs"],
    run: async (context) => {
      const container_id = await context.sleeper();
      const exec_id = await context.exec(container_id, ["true"]);
      await context.finish(container_id, exec_id);
      const write = context.agent.writeStdin({ container_id, exec_id, data: Buffer.from("x") });
      await refused(write, { codes: ["internal"] });
    },
  },
];

/** Cases of refused calls on processes. */
export const processErrorCases: readonly ConformanceCase[] = [
  ...PROCESS_ROWS,
  row("WriteStdin: of an unknown container is INTERNAL", "should", ["internal"], /./, [
    ({ agent }) => agent.writeStdin({ ...none, data: Buffer.from("x") }),
  ]),
  {
    name: "WriteStdin: of an unknown exec is INTERNAL",
    level: "should",
    source: TABLE,
    needs: ["rootfs"],
    run: async (context) => {
      const container_id = await context.sleeper();
      const write = context.agent.writeStdin({ container_id, exec_id: "conf-no-such", data: Buffer.from("x") });
      await refused(write, { codes: ["internal"] });
    },
  },
  ...ENDED_PROCESS,
  {
    name: "TtyWinResize: of an exec without a terminal is UNAVAILABLE",
    level: "should",
    source: TABLE,
    needs: ["rootfs"],
    run: async (context) => {
      const container_id = await context.sleeper();
      const exec_id = await context.exec(container_id, ["sleep", "1000"]);
      const resize = context.agent.ttyWinResize({ container_id, exec_id, row: 1, column: 1 });
      await refused(resize, { codes: ["unavailable"] });
    },
  },
];
