import { constants } from "node:os";
import type { Writable } from "node:stream";
import { RpcError } from "../../client/rpc-error.ts";
import { type Attached, type AttachRequest, attach } from "../../client/streams/attachment.ts";
import type { OutputName } from "../../client/streams/position.ts";
import { truncate, visibleLine } from "../../visible.ts";
import type { StreamsPlace } from "../guest/streams-place.ts";
import { ConnectionWatch } from "./connection-watch.ts";
import type { Interrupts } from "./interrupts.ts";
import { Leave, type LeftPlace, leftProcess } from "./left-process.ts";
import { lendTerminal, terminalSize } from "./local-terminal.ts";
import { type PassedInput, passInput } from "./pass-input.ts";
import { passSignals, processName } from "./pass-signals.ts";

const { SIGHUP, SIGKILL } = constants.signals;
const RECONNECT_SECONDS = 60;

export interface ServeOptions extends LeftPlace {
  /** Pass our stdin on to the process, end its input, or leave it open for others. */
  readonly stdin: "pass" | "end" | "leave";
  readonly interrupts: Interrupts;
  /** Where its output goes. Default: our own. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** True if the process ran before, so that a full-screen program has to draw its screen again. */
  readonly isJoining?: boolean;
  /** Leave the process if typed at a terminal; undefined if guestctl can't leave it. */
  readonly detachKeys?: Uint8Array;
  /** How long attempts to connect again may fail. Default: a minute. */
  readonly reconnectSeconds?: number | undefined;
  /** Called once the process is found or started. */
  onAttached?(attached: Attached): void;
  /** Called once output up to a byte is written. */
  onWritten?(name: OutputName, end: number): void;
  /** Returns why the agent will never answer again, once that is known. */
  findDeath?(): Error | undefined;
  /** Aborted with the reason if the guest dies. */
  readonly died?: AbortSignal | undefined;
}

/**
 * Connects a process to our stdio over guestd.v1.Streams until it ends, whatever happens to the connection or the agent
 * meanwhile, and returns its exit code. Signals go to the process; the fourth leaves it, as the detach keys and the loss of
 * our terminal do. If the reader of our stdout is gone, the process is killed, as SIGPIPE would. Throws LeftProcess if it
 * may still be running, RpcError if the agent refuses, with kind "unreachable" if nothing listens at the address.
 */
export async function serveStreams(
  place: StreamsPlace,
  request: AttachRequest,
  options: ServeOptions,
): Promise<number> {
  const { stdin, interrupts, died, stdout = process.stdout, stderr = process.stderr } = options;
  const outputs = { stdout, stderr };
  const leaving = new AbortController();
  const leave = (...reason: ConstructorParameters<typeof Leave>) => leaving.abort(new Leave(...reason));
  using watch = new ConnectionWatch(
    () => options.findDeath?.(),
    (death) => leaving.abort(death),
  );
  let input: PassedInput | undefined;
  let [isUnread, isTerminal] = [false, false];
  const lent = Promise.withResolvers<void>();

  const attachment = attach(place.address, request, {
    dial: place.dial,
    giveUpMs: (options.reconnectSeconds ?? RECONNECT_SECONDS) * 1000,
    signal: AbortSignal.any([leaving.signal, interrupts.signal, ...(died === undefined ? [] : [died])]),
    async onData(name, bytes, offset) {
      await lent.promise; // our terminal would translate earlier output, and take keys for itself
      if (isUnread) return;
      const error = await write(outputs[name], bytes);
      if (error === undefined) return options.onWritten?.(name, offset + bytes.length);
      if (error.code !== "EPIPE") throw new Leave("cut", `write to ${name}: ${error.message}`);
      isUnread = true;
      attachment.signal(SIGKILL);
    },
    onGap(name, from, to, reason) {
      const line = `guestctl: bytes ${from} to ${to} of ${name} are gone: ${reason}`;
      stderr.write(`${visibleLine(truncate(line))}\n`);
    },
    onDial() {
      signals ??= passTo();
    },
    onConnect() {
      if (watch.connected() && isTerminal) redraw();
      input?.update();
    },
    onDisconnect(reason) {
      watch.disconnected(reason);
      input?.update();
    },
  });
  /** Makes a full-screen program draw its screen again, by a change of size. */
  const redraw = () => {
    const { rows, columns } = terminalSize();
    attachment.resize(rows + 1, columns);
    attachment.resize(rows, columns);
  };
  const onHangUp = () => leave("detached", "the terminal was closed");
  const canLeave = () => isTerminal && options.detachKeys !== undefined;
  // Until a connection is open nothing has been requested, and a signal ends the command.
  let signals: Disposable | undefined;
  const passTo = () =>
    passSignals(interrupts, {
      name: processName(request.container, request.exec ?? request.container),
      send: (signal) => (signal === SIGHUP && canLeave() ? onHangUp() : attachment.signal(signal)),
      leave(why) {
        leave("cut", why);
        attachment.disconnect(); // the agent may be silent
      },
    });
  try {
    const attached = await attachment.attached;
    isTerminal = attached.terminal;
    options.onAttached?.(attached);
    using _terminal = isTerminal
      ? lendTerminal(stdin === "pass", ({ rows, columns }) => attachment.resize(rows, columns))
      : undefined;
    if (isTerminal && options.isJoining) redraw();
    const isTyped = canLeave() && process.stdin.isTTY;
    using passed =
      stdin === "pass"
        ? passInput(process.stdin, attachment, {
            detachKeys: (isTyped && options.detachKeys) || new Uint8Array(),
            isConnected: () => watch.isConnected,
            onDetach: () => leave("detached", "by its keys"),
            onEnd: () => (isTyped ? onHangUp() : attachment.end()),
          })
        : undefined;
    input = passed;
    lent.resolve();
    if (stdin === "end") attachment.end();
    return (await attachment.exit).code;
  } catch (error) {
    if (error instanceof RpcError && error.kind === "unreachable") throw error;
    watch[Symbol.dispose]();
    // The cursor may be behind a prompt.
    if (isTerminal && process.stderr.isTTY) process.stderr.write("\n");
    throw leftProcess(error, attachment, options);
  } finally {
    signals?.[Symbol.dispose]();
  }
}

/** Resolves once the bytes are written, or with the error. */
function write(to: Writable, bytes: Uint8Array): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => to.write(bytes, (error) => resolve(error ?? undefined)));
}
