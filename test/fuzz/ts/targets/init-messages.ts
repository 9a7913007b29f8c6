import { AgentError } from "../../../../agent/kernel/error.ts";
import { decodeReply } from "../../../../agent/kernel/init/init-messages.ts";
import { ReportReader } from "../../../../agent/kernel/init/report.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const message = (type: number, body: number) => {
  const bytes = Buffer.alloc(16 + body, 1);
  bytes.writeUInt32LE(type, 0);
  return Buffer.concat([Buffer.of(3), bytes]);
};
const report = (kind: number, text: string) => {
  const bytes = Buffer.alloc(17 + text.length);
  bytes[0] = 255;
  bytes.writeUInt32LE(kind, 1);
  bytes.writeUInt32LE(text.length, 13);
  bytes.write(text, 17);
  return bytes;
};

export const initMessages: FuzzTarget = {
  name: "init-messages",
  promise:
    "a message from init or from a launched child is a reply or is refused with one line, and no descriptor is delivered twice",
  seeds: () => [
    ...[16, 17, 18, 19, 20, 21].map((type) => message(type, 60)),
    report(1, ""),
    report(2, "mount: no such file"),
  ],
  async run(input) {
    if (input[0] === 255) {
      let rest = input.subarray(1);
      const read = (_: number, into: Uint8Array) => {
        const count = Math.min(into.length, rest.length);
        into.set(rest.subarray(0, count));
        rest = rest.subarray(count);
        return count;
      };
      try {
        await new ReportReader({ poll: async () => undefined, read }, 3).next();
      } catch (error) {
        refuses(error, AgentError);
      }
      return;
    }
    const fds = Array.from({ length: (input[0] ?? 0) % 9 }, (_, at) => 100 + at);
    try {
      const reply = decodeReply(input.subarray(1), fds);
      const used = "kept" in reply ? [reply.pidfd, ...Object.values(reply.kept)] : [];
      promise(new Set(used).size === used.length, "a descriptor has one role");
    } catch (error) {
      refuses(error, AgentError);
    }
  },
};
