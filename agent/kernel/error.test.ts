import { constants } from "node:os";
import { expect, test } from "vitest";
import { describeErrno, SystemError } from "./error.ts";

test("a failed call says what, on what, the code and its text in one line", () => {
  const error = new SystemError("mount", 1, "proc on /proc");
  expect(error.message).toBe("mount proc on /proc: EPERM (operation not permitted)");
  expect(error).toMatchObject({ call: "mount", errno: 1, code: "EPERM", kind: "internal", name: "AgentError" });
  expect(error.fields).toEqual({ call: "mount", object: "proc on /proc", errno: "EPERM" });
});

test("a detail stands in place of the text, and no object leaves no gap", () => {
  expect(new SystemError("fsconfig", 22, "tmpfs", "tmpfs: Bad value for 'size'").message).toBe(
    "fsconfig tmpfs: EINVAL (tmpfs: Bad value for 'size')",
  );
  expect(new SystemError("pipe", 24, "").message).toBe("pipe: EMFILE (too many open files)");
});

test("the texts that Node has stay Node's", () => {
  expect(describeErrno(2)).toEqual({ code: "ENOENT", text: "no such file or directory" });
});

test("numbers that Node does not know have their names too", () => {
  expect(describeErrno(117)).toEqual({ code: "EUCLEAN", text: "structure needs cleaning" });
  expect(describeErrno(122)).toEqual({ code: "EDQUOT", text: "disk quota exceeded" });
  expect(describeErrno(9999)).toEqual({ code: "errno 9999", text: "unknown error" });
});

test("every errno of os.constants is described by its own number", () => {
  for (const [name, number] of Object.entries(constants.errno)) {
    const { code, text } = describeErrno(number);
    expect(constants.errno[code as keyof typeof constants.errno], name).toBe(number);
    expect(text, name).not.toBe("unknown error");
  }
});
