import { constants } from "node:os";
import { expect, test } from "vitest";
import { describeErrno, SystemError } from "./error.ts";

test("a system error names call, object, code and text in one line", () => {
  const error = new SystemError("mount", 1, "proc on /proc");
  expect(error.message).toBe("mount proc on /proc: EPERM (operation not permitted)");
  expect(error).toMatchObject({ call: "mount", errno: 1, code: "EPERM", kind: "internal", name: "AgentError" });
  expect(error.fields).toEqual({ call: "mount", object: "proc on /proc", errno: "EPERM" });
});

test("a detail replaces the text, and an empty object leaves no gap", () => {
  expect(new SystemError("fsconfig", 22, "tmpfs", "tmpfs: Bad value for 'size'").message).toBe(
    "fsconfig tmpfs: EINVAL (tmpfs: Bad value for 'size')",
  );
  expect(new SystemError("pipe", 24, "").message).toBe("pipe: EMFILE (too many open files)");
});

test("describeErrno returns Node's text if Node has one", () => {
  expect(describeErrno(2)).toEqual({ code: "ENOENT", text: "no such file or directory" });
});

test("describeErrno names errnos that Node doesn't know", () => {
  expect(describeErrno(117)).toEqual({ code: "EUCLEAN", text: "structure needs cleaning" });
  expect(describeErrno(122)).toEqual({ code: "EDQUOT", text: "disk quota exceeded" });
  expect(describeErrno(9999)).toEqual({ code: "errno 9999", text: "unknown error" });
});

test("describeErrno describes every errno in os.constants", () => {
  for (const [name, number] of Object.entries(constants.errno)) {
    const { code, text } = describeErrno(number);
    expect(constants.errno[code as keyof typeof constants.errno], name).toBe(number);
    expect(text, name).not.toBe("unknown error");
  }
});
