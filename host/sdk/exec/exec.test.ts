import { expect, test } from "vitest";
import { DialError } from "../../client/dial.ts";
import type { Process } from "../../engine/process.ts";
import type { Driver } from "../driver/driver.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import type { FileDriver } from "../files/file-driver.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

/** Returns a sandbox whose guest's connections are refused before its end is known. */
function dyingSandbox() {
  const end = new AbortController();
  const refused = Promise.reject(new DialError("dial unix:/a: connect ECONNREFUSED /a"));
  refused.catch(() => undefined);
  const process: Process = {
    ...{ id: "x", epoch: undefined, started: refused, ended: refused },
    write: () => refused,
    endInput: () => undefined,
    signal: () => refused,
    resize: () => undefined,
    detach: () => undefined,
  };
  const driver = {
    ...{ address: "unix:///a", container: "web", ended: end.signal, files: {} as FileDriver },
    start: () => process,
    checkAlive: async () => undefined,
  };
  return { sandbox: new Sandbox(driver as unknown as Driver, { isOwned: false }), end };
}

test("an exec that starts while its guest dies reports the guest's death, not the lost connection", async () => {
  const { sandbox, end } = dyingSandbox();
  const exec = sandbox.exec("true");
  const calls = [exec.started(), exec.wait(), exec.then()];
  const errors = Promise.all(
    calls.map((call) =>
      call.then(
        () => undefined,
        ({ code, message }) => [code, message],
      ),
    ),
  );
  // The connections are refused by now.
  await new Promise((resolve) => setImmediate(resolve));
  end.abort(sandboxError("guest-died", "sandbox web: QEMU ended with SIGKILL"));
  expect(await errors).toEqual(
    calls.map(() => [
      "guest-died",
      expect.stringMatching(/^[^\n]*sandbox web: QEMU ended with SIGKILL; guestctl logs/),
    ]),
  );
});

test("an exec at an agent that can't be reached reports that", async () => {
  const { sandbox } = dyingSandbox();
  await expect(sandbox.exec("true").started()).rejects.toMatchObject({ code: "unreachable" });
});
