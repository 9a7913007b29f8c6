import { expect, test } from "vitest";
import { CODES } from "../../../proto/codes.ts";
import { answeredError, RpcError } from "../../client/rpc-error.ts";
import { Leave, LeftProcess, leftProcess } from "./left-process.ts";
import { resumeLine } from "./resume-line.ts";

const guest = { name: "g", address: "unix:///a" } as never;
const exec = { container: "web", exec: "x-1" };
const place = {
  name: "exec x-1 in container web",
  resume: (at: { stdout: number; stderr: number }) => resumeLine({ address: "unix:///a", guest }, exec, at, {}),
};
const at = (stdout: number, stderr = 0) => ({ position: { epoch: new Uint8Array(), stdout, stderr } });

test.each([
  [
    new RpcError("cut", "long", { cause: new Error("refused") }),
    "cut",
    "cut at byte 5: refused; continue with: guestctl exec --resume x-1 --from 5",
  ],
  [
    new RpcError("taken-over", "taken"),
    "taken-over",
    "cut at byte 5: taken; continue with: guestctl exec --resume x-1 --from 5 --takeover",
  ],
  [
    new Leave("detached", "by its keys"),
    "detached",
    "detached at byte 5: by its keys; continue with: guestctl exec --resume x-1 --from 5",
  ],
  [new RpcError("not-found", "removed"), "gone", "cut at byte 5: removed"],
])("an attachment that ends by %s is 125, with its byte", (error, kind, message) => {
  const left = leftProcess(error, at(5), place);
  expect(left).toBeInstanceOf(LeftProcess);
  expect(left).toMatchObject({ left: kind, exitCode: 125, message: `exec x-1 in container web: ${message}` });
});

test("names both positions if there was output on stderr, and no command if the process ends with guestctl", () => {
  const cut = new Leave("cut", "why");
  const both = "cut at byte 5 of stdout, 3 of stderr: why";
  expect(leftProcess(cut, at(5, 3), place)).toMatchObject({ message: expect.stringContaining(both) });
  expect(leftProcess(cut, at(5, 3), place)).toMatchObject({ message: expect.stringMatching(/ --from 5,3$/) });
  expect(leftProcess(cut, at(5, 3), { name: "container c" })).toMatchObject({ message: `container c: ${both}` });
});

test("a refusal before the attachment is the agent's error, and other errors stay what they are", () => {
  const refused = leftProcess(new RpcError("permission-denied", "denied"), { position: undefined }, place);
  expect(refused).toBeInstanceOf(RpcError);
  expect(refused).toMatchObject({ kind: "permission-denied", message: "denied" });
  const death = new Error("QEMU ended");
  expect(leftProcess(death, at(5), place)).toBe(death);
});

test("the command that continues names what finds the process again", () => {
  const position = { stdout: 7, stderr: 0 };
  const lines = [
    resumeLine({ address: "unix:///a" }, exec, position, { interactive: true }),
    resumeLine({ address: "unix:///a", guest }, exec, position, { interactive: true, tty: true }),
    resumeLine({ address: "unix:///a", guest }, { container: "web", exec: "web" }, position, { interactive: true }),
    resumeLine({ address: "unix:///a" }, { container: "web", exec: "web" }, position, {}),
  ];
  expect(lines).toEqual([
    "guestctl exec --address unix:///a -i --resume x-1 --from 7 web",
    "guestctl exec -it --resume x-1 --from 7",
    "guestctl attach --from 7 web",
    "guestctl attach --address unix:///a --no-stdin --from 7 web",
  ]);
});

test("an answer before the process was attached keeps the agent's reason, by which guestctl exits with 127", () => {
  const error = answeredError(CODES.internal, 'exec "nope": executable file not found');
  const left = leftProcess(error, { position: undefined }, place);
  expect(left).toMatchObject({ kind: "internal", reason: "no-program", message: error.message });
});
