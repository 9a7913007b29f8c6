import { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import { equal, holds, refused } from "../check.ts";
import { frame, RawAnswers, requestBody } from "../raw-frames.ts";

export const deadlines: CaseGroup = {
  name: "deadlines",
  title: "Time limits of calls",
  parallel: true,
  cases: [
    {
      name: "WaitProcess: the agent itself ends a call at its time limit, with DEADLINE_EXCEEDED",
      level: "must",
      source: "ttRPC, timeout_nano is enforced by the server",
      needs: ["ttrpc", "rootfs"],
      run: async (context) => {
        const id = await context.sleeper();
        const payload = grpc.WaitProcessRequest.encode({ container_id: id, exec_id: id }).finish();
        const body = requestBody("grpc.AgentService", "WaitProcess", payload, { timeout_nano: 300e6 });
        const socket = await context.dial();
        const begun = performance.now();
        socket.write(frame(1, body));
        equal((await new RawAnswers(socket).next()).code, "deadline-exceeded", "the code");
        const ms = performance.now() - begun;
        holds(ms >= 250, "the answer does not come before the limit", `${ms.toFixed(0)} ms`);
      },
    },
    {
      name: "WaitProcess: after a call that timed out, the process runs on and its status is there",
      level: "must",
      source: "hosts repeat calls",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; exit 5"]);
        const wait = context.agent.waitProcess({ container_id: id, exec_id: id }, { timeoutMs: 200 });
        await refused(wait, { codes: ["deadline-exceeded"] });
        // The agent ends the call a little later than this client.
        await context.pause(1000);
        await context.write("\n", id);
        equal((await context.finish(id)).status, 5, "the status");
      },
    },
    {
      name: "GetOOMEvent: after a call that timed out, the next one waits",
      level: "must",
      source: "runtime-rs, its loop",
      needs: ["sandbox"],
      run: async (context) => {
        await refused(context.agent.getOOMEvent({}, { timeoutMs: 200 }), { codes: ["deadline-exceeded"] });
        await context.stillOpen(context.agent.getOOMEvent({}), "GetOOMEvent");
      },
    },
    {
      name: "Check: a time limit of 0 is none",
      level: "must",
      source: "both hosts send 0 for waits, reads and OOM events",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        socket.write(frame(1, requestBody("grpc.Health", "Check", new Uint8Array(), { timeout_nano: 0 })));
        equal((await new RawAnswers(socket).next()).code, "ok", "the code");
      },
    },
    {
      name: "Check: the longest possible time limit is served",
      level: "should",
      source: "ttRPC, timeout_nano is an int64",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        socket.write(frame(1, requestBody("grpc.Health", "Check", new Uint8Array(), { timeout_nano: 2 ** 62 })));
        equal((await new RawAnswers(socket).next()).code, "ok", "the code");
      },
    },
    {
      name: "ReadStdout: the time limit of one call does not end others of its connection",
      level: "must",
      source: "Go shim, all calls on one connection",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; echo done; read x"]);
        const wait = context.agent.waitProcess({ container_id: id, exec_id: id });
        const read = context.agent.readStderr({ container_id: id, exec_id: id, len: 1 }, { timeoutMs: 200 });
        await refused(read, { codes: ["deadline-exceeded"] });
        await context.stillOpen(wait, "WaitProcess");
        await context.write("\n", id);
        await context.readUntil("done\n", id);
        // The process ends only now: an agent may forget one whose status it has returned, with its output.
        await context.write("\n", id);
        equal((await wait).status, 0, "the status");
      },
    },
  ],
};
