import { spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { loginShell } from "./login-shell.ts";

test("finds the user's name and shell where PATH has no program at all", () => {
  const [, ...args] = loginShell("echo $USER $LOGNAME $PWD; [ -x $SHELL ] || echo $SHELL");
  const { status, stdout, stderr } = spawnSync("/bin/sh", args, {
    env: { PATH: "/nowhere", HOME: "/tmp" },
    encoding: "utf8",
  });
  const { username } = userInfo();
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${username} ${username} /tmp\n`, stderr: "" });
});
