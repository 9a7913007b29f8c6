import { ttrpc } from "../../../proto/gen/messages.js";
import { FRAME_RESPONSE } from "../../../proto/ttrpc-frame.ts";
import type { CaseGroup } from "../case.ts";
import { equal, holds } from "../check.ts";
import { checkFrame, exchange, frame, RawAnswers, requestBody } from "../raw-frames.ts";
import { FRAMING, framingErrors } from "./framing-errors.ts";

export const framing: CaseGroup = {
  name: "framing",
  title: "ttRPC frames and their limits",
  parallel: true,
  cases: [
    {
      name: "Check: is answered on its stream, with type 2 and no flags",
      level: "must",
      source: "ttRPC, PROTOCOL.md",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        socket.write(checkFrame(7));
        const { streamId, type, flags, code } = await new RawAnswers(socket).next();
        equal(
          { streamId, type, flags, code },
          { streamId: 7, type: FRAME_RESPONSE, flags: 0, code: "ok" },
          "the answer",
        );
      },
    },
    {
      name: "Check: frames that arrive byte by byte are answered",
      level: "must",
      source: "streams have no message boundaries",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        for (const byte of checkFrame(1)) {
          socket.write(Buffer.of(byte));
          await new Promise(setImmediate);
        }
        equal((await new RawAnswers(socket).next()).code, "ok", "the code");
      },
    },
    {
      name: "Check: twenty frames in one piece are all answered, each once",
      level: "must",
      source: "hosts keep many calls in flight",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        const ids = Array.from({ length: 20 }, (_, at) => 2 * at + 1);
        socket.write(Buffer.concat(ids.map((id) => checkFrame(id))));
        const answers = new RawAnswers(socket);
        const got: number[] = [];
        for (const _ of ids) got.push((await answers.next()).streamId);
        equal(
          got.toSorted((a, b) => a - b),
          ids,
          "the streams of the answers",
        );
      },
    },
    {
      name: "ReadStdout: an open call does not hold back a later one of its connection",
      level: "must",
      source: "Go shim: reads, a wait and health checks on one connection",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.sleeper();
        const open = [
          context.agent.readStdout({ container_id: id, exec_id: id, len: 10 }),
          context.agent.readStderr({ container_id: id, exec_id: id, len: 10 }),
          context.agent.waitProcess({ container_id: id, exec_id: id }),
          context.agent.getOOMEvent({}),
        ];
        for (const call of open) call.catch(() => undefined);
        await context.health.check({});
        equal((await context.execute(id, "echo x")).stdout, "x\n", "the output of an exec");
      },
    },
    ...framingErrors,
    {
      name: "Check: unknown fields of a request are ignored",
      level: "must",
      source: "protobuf, unknown fields; newer hosts",
      needs: ["ttrpc"],
      run: async (context) => {
        // Field 2000, of type varint.
        const payload = Uint8Array.of(0x80, 0x7d, 0x01);
        const answer = await exchange(context, frame(1, requestBody("grpc.Health", "Check", payload)));
        equal(answer.code, "ok", "the code");
      },
    },
    {
      name: "Check: metadata is accepted",
      level: "must",
      source: "Go shim, traceparent",
      needs: ["ttrpc"],
      run: async (context) => {
        const metadata = [{ key: "traceparent", value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }];
        const body = requestBody("grpc.Health", "Check", new Uint8Array(), { metadata });
        equal((await exchange(context, frame(1, body))).code, "ok", "the code");
      },
    },
    {
      name: "Check: a frame of an unknown type is ignored",
      level: "should",
      source: FRAMING,
      needs: ["ttrpc"],
      run: async (context) => {
        const first = await exchange(context, Buffer.concat([frame(5, Buffer.from("x"), { type: 77 }), checkFrame(3)]));
        equal([first.streamId, first.code], [3, "ok"], "the first answer");
      },
    },
    {
      name: "Check: stream ids may have gaps",
      level: "must",
      source: "ttRPC, ids rise",
      needs: ["ttrpc"],
      run: async (context) => {
        const socket = await context.dial();
        const answers = new RawAnswers(socket);
        for (const id of [1, 9, 1001, 0x7fffffff]) {
          socket.write(checkFrame(id));
          equal((await answers.next()).streamId, id, "the stream of the answer");
        }
      },
    },
    {
      name: "WriteStdin: a request of 3 MiB is served",
      level: "should",
      source: "ttRPC, the limit is 4 MiB",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.start(["sh", "-c", "head -c 3145728 | wc -c"]);
        const { len } = await context.agent.writeStdin({ container_id: id, exec_id: id, data: Buffer.alloc(3 << 20) });
        equal(len, 3 << 20, "the number of bytes accepted");
        equal((await context.finish(id)).stdout.trim(), String(3 << 20), "the number of bytes read");
      },
    },
    {
      name: "ReadStdout: a read of 16 MiB is answered within the limit of 4 MiB",
      level: "should",
      source: "ttRPC, the limit is 4 MiB",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.start(["sh", "-c", "head -c 6000000 /dev/zero"]);
        let length = 0;
        for (;;) {
          const { data } = await context.agent.readStdout({ container_id: id, exec_id: id, len: 16 << 20 });
          if (data.length === 0) break;
          length += data.length;
        }
        equal(length, 6_000_000, "the number of bytes");
      },
    },
    {
      name: "Check: a success has no status or one with code 0",
      level: "must",
      source: "Go client and ttrpc-rust",
      needs: ["ttrpc"],
      run: async (context) => {
        const { payload, code } = await exchange(context, checkFrame(1));
        equal(code, "ok", "the code");
        holds(ttrpc.Response.encode({ payload }).finish().length > 0, "the answer has a payload");
      },
    },
  ],
};
