import { expect, test } from "vitest";
import { type AnswerReason, reasonIn } from "./answer-reason.ts";

test.each<[string, AnswerReason | undefined]>([
  ['exec "x: ENOENT": not executable, EACCES', "program-denied"],
  ['exec "not implemented": executable file not found', "no-program"],
  ['exec "/etc/passwd": ENOEXEC (exec format error)', "not-executable"],
  ["invalid container id", "no-container"],
  ["start container web: it is being removed", "being-removed"],
  ["/grpc.AgentService/CopyFile: the agent was restarted during the call, which may have taken effect", "interrupted"],
  ["/grpc.AgentService/Nonsense is not supported", "unsupported"],
  ["write /a: ENOSPC (no space left on device)", "no-space"],
  ["read stdout: EIO (i/o error)", "end-of-output"],
  ["container web: it is paused", undefined],
])("reads %j as %s", (text, reason) => expect(reasonIn(text)).toBe(reason));
