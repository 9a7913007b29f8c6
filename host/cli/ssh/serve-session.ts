import type { PseudoTtyInfo, ServerChannel, Session } from "ssh2";
import type { Attachment } from "../../client/streams/attachment.ts";
import { signalNumber } from "./exit-status.ts";
import { loginShell } from "./login-shell.ts";
import { serveProcess } from "./serve-process.ts";
import { serveSftp } from "./sftp/serve-sftp.ts";
import type { SshTarget } from "./ssh-target.ts";

const MAX_VARIABLES = 128;
const MAX_VARIABLE_BYTES = 65_536;
const MAX_SIZE = 65_535;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Serves one session channel: a shell, a command or SFTP. Calls `onWork` with each promise of work that has to end. */
export function serveSession(
  session: Session,
  target: SshTarget,
  closed: AbortSignal,
  onWork: (work: Promise<void>) => void,
): void {
  const closing = new AbortController();
  const gone = AbortSignal.any([closed, closing.signal]);
  const env: string[] = [];
  let [bytes, terminal, attachment]: [number, PseudoTtyInfo?, Attachment?] = [0];
  session.on("close", () => closing.abort());

  session.on("env", (accept, reject, { key, val }) => {
    bytes += key.length + val.length;
    const isAllowed = NAME.test(key) && !val.includes("\0");
    if (!isAllowed || env.length >= MAX_VARIABLES || bytes > MAX_VARIABLE_BYTES) return reject?.();
    env.push(`${key}=${val}`);
    accept?.();
  });
  session.on("pty", (accept, _reject, info) => {
    terminal = info;
    accept?.();
  });
  session.on("window-change", (accept, _reject, size) => {
    attachment?.resize(...sizeOf(size));
    accept?.();
  });
  session.on("signal", (accept, reject, { name }) => {
    const number = signalNumber(name);
    if (number === undefined || attachment === undefined) return reject?.();
    attachment.signal(number);
    accept?.();
  });

  const start = (command: string | undefined, channel: ServerChannel) => {
    const term = terminal === undefined || terminal.term === "" ? [] : [`TERM=${terminal.term}`];
    const process = target.process(loginShell(command), { env: [...env, ...term], ...terminalOf(terminal) });
    onWork(serveProcess(channel, target, process, gone, (started) => (attachment = started)));
  };
  session.on("shell", (accept) => start(undefined, accept()));
  session.on("exec", (accept, _reject, { command }) => start(command, accept()));
  session.on("sftp", (accept) => onWork(serveSftp(accept(), target, gone)));
}

function terminalOf(info: PseudoTtyInfo | undefined) {
  if (info === undefined) return {};
  const [rows, columns] = sizeOf(info);
  return { terminal: { rows, columns } };
}

function sizeOf({ rows, cols }: Pick<PseudoTtyInfo, "rows" | "cols">): [number, number] {
  return [Math.min(rows, MAX_SIZE), Math.min(cols, MAX_SIZE)];
}
