import type { CaseGroup } from "../case.ts";
import { equal, holds } from "../check.ts";
import { checkFrame, frame, RawAnswers } from "../raw-frames.ts";

export const faults: CaseGroup = {
  name: "faults",
  title: "Broken connections and a killed agent",
  cases: [
    {
      name: "Check: half a header before the end of a connection does no harm",
      level: "must",
      source: "a host that is killed",
      needs: ["ttrpc"],
      run: async (context) => {
        for (let length = 0; length < 10; length++) {
          const socket = await context.dial();
          socket.end(checkFrame(1).subarray(0, length));
        }
        await context.health.check({});
      },
    },
    {
      name: "Check: a header that promises more bytes than come does no harm",
      level: "must",
      source: "a host that is killed",
      needs: ["ttrpc"],
      run: async (context) => {
        for (let time = 0; time < 20; time++) {
          const socket = await context.dial();
          socket.write(frame(1, Buffer.alloc(10), { length: 1_000_000 }));
          await context.pause(5);
          socket.destroy();
        }
        await context.health.check({});
      },
    },
    {
      name: "Check: a connection that stops in the middle of a frame holds back no other",
      level: "must",
      source: "agent-ctl beside a shim",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        socket.write(frame(1, Buffer.alloc(100), { length: 4 << 20 }));
        await context.health.check({});
        const other = await context.connect();
        await other.health.check({});
      },
    },
    {
      name: "Check: random bytes end at most their own connection",
      level: "must",
      source: "hostile peers",
      needs: ["ttrpc"],
      run: async (context) => {
        for (let time = 0; time < 30; time++) {
          const socket = await context.dial();
          const bytes = Buffer.from(Array.from({ length: 200 }, () => Math.floor(context.random() * 256)));
          // A length of at most 16 MiB, so that the agent does not wait for gigabytes.
          bytes[0] = 0;
          socket.write(bytes);
          await context.pause(2);
          socket.destroy();
        }
        await context.health.check({});
      },
    },
    {
      name: "Check: 200 silent connections keep no other client from being served",
      level: "should",
      source: "hosts that dial in a loop",
      run: async (context) => {
        await Promise.all(Array.from({ length: 200 }, () => context.dial()));
        const other = await context.connect();
        await other.health.check({});
      },
    },
    {
      name: "Check: a client that reads none of its answers holds back no other",
      level: "must",
      source: "a host that is stopped",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        socket.pause();
        const frames = Buffer.concat(Array.from({ length: 2000 }, (_, at) => checkFrame(2 * at + 1)));
        socket.write(frames);
        await context.health.check({});
        const other = await context.connect();
        await other.health.check({});
      },
    },
    {
      name: "WaitProcess: the end of a connection ends neither the container nor its output",
      level: "must",
      source: "ttRPC: state is kept; reconnecting hosts",
      needs: ["rootfs"],
      run: async (context) => {
        const other = await context.connect();
        const id = await context.start(["sh", "-c", "read x; echo got $x; exit 5"]);
        const open = [
          other.agent.readStdout({ container_id: id, exec_id: id, len: 100 }),
          other.agent.waitProcess({ container_id: id, exec_id: id }),
        ];
        const settled = Promise.allSettled(open);
        await other.health.check({});
        await other.close();
        await settled;
        await context.write("typed\n", id);
        const { stdout, status } = await context.finish(id);
        equal([stdout, status], ["got typed\n", 5], "output and status");
      },
    },
    {
      name: "ReadStdout: a read whose connection has ended takes no output from the next one",
      level: "should",
      source: "microsoft/kata-containers PR 541: long polls are repeated on a new connection",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.start(["sh", "-c", "while read n; do seq 1 $n; done; exit 5"]);
        const lines = Array.from({ length: 200 }, (_, at) => `${at + 1}\n`).join("");
        let received = "";
        for (let lost = 0; lost < 5; lost++) {
          // No output is waiting when the read begins, and it ends before there is any.
          const dying = await context.connect();
          const read = dying.agent.readStdout({ container_id: id, exec_id: id, len: 4096 }).catch(() => undefined);
          await dying.health.check({});
          await dying.close();
          await read;
          // A transport may accept bytes for a host that has gone until the agent hears of it.
          await context.pause(500);
          await context.write("200\n", id);
          received += await context.readUntil("\n200\n", id);
        }
        await context.agent.closeStdin({ container_id: id, exec_id: id });
        received += (await context.finish(id)).stdout;
        holds(
          received === lines.repeat(5),
          "every byte arrives once",
          `${received.length} of ${5 * lines.length} bytes`,
        );
      },
    },
    {
      name: "Check: is answered again after the agent was killed",
      level: "may",
      source: "guestd: init starts the next agent",
      needs: ["restart"],
      timeLimit: 60,
      run: async (context) => {
        await context.session.restart();
        const next = await context.connect();
        await next.health.check({});
      },
    },
    {
      name: "StartContainer: a container runs on after the agent was killed, with its output and status",
      level: "may",
      source: "guestd: containers outlive the agent",
      needs: ["restart", "rootfs"],
      timeLimit: 60,
      run: async (context) => {
        const id = await context.start(["sh", "-c", "read x; echo got $x; exit 6"]);
        await context.session.restart();
        const { agent } = await context.connect();
        await agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.from("typed\n") });
        const { data } = await agent.readStdout({ container_id: id, exec_id: id, len: 100 });
        equal(Buffer.from(data).toString(), "got typed\n", "stdout");
        equal((await agent.waitProcess({ container_id: id, exec_id: id })).status, 6, "the status");
      },
    },
    {
      name: "WaitProcess: an exit while no agent runs is reported by the next one",
      level: "may",
      source: "guestd: init keeps exits",
      needs: ["restart", "rootfs"],
      timeLimit: 60,
      run: async (context) => {
        const id = await context.start(["sh", "-c", "sleep 0.3; echo late; exit 7"]);
        await context.session.restart();
        const { agent } = await context.connect();
        equal((await agent.waitProcess({ container_id: id, exec_id: id })).status, 7, "the status");
        const { data } = await agent.readStdout({ container_id: id, exec_id: id, len: 100 });
        equal(Buffer.from(data).toString(), "late\n", "stdout");
      },
    },
    {
      name: "Check: a call that is cut off between two frames leaves the connection usable",
      level: "must",
      source: "a pause between two calls",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        const answers = new RawAnswers(socket);
        const bytes = Buffer.concat([checkFrame(1), checkFrame(3)]);
        const cut = checkFrame(1).length + 7;
        socket.write(bytes.subarray(0, cut));
        equal((await answers.next()).streamId, 1, "the first answer's stream");
        await context.pause(1000);
        socket.write(bytes.subarray(cut));
        holds((await answers.next()).streamId === 3, "the second call is answered after a pause");
      },
    },
  ],
};
