import { createWriteStream } from "node:fs";
import type { Command } from "commander";
import { type CaptureEvent, capturePackets } from "../../client/streams/capture.ts";
import { MAX_SNAP } from "../../client/streams/pcap.ts";
import { PcapngFile } from "../../client/streams/pcapng.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { oneLine } from "../../operation-error.ts";
import { compileFilter } from "../../packet-filter/compile-filter.ts";
import { CliError } from "../cli-error.ts";
import { count } from "../flags/option-values.ts";
import { findForwardTarget } from "../guest/forward-target.ts";
import { type TargetFlags, withTarget } from "../guest/target.ts";

interface CaptureFlags extends TargetFlags {
  readonly write?: string;
  readonly interface?: string;
  readonly count?: number;
  readonly snaplen?: number;
}

const HELP = `
The output is a pcapng file for Wireshark and tcpdump. It has the guest's names of interfaces, which Wireshark shows, and each
packet's direction, which tcpdump -e shows. ^C ends the capture; the last line on stderr counts the packets, and those that the
guest dropped because they were not read fast enough. If the agent or the connection is lost, the capture continues with the
next agent, and one line says that packets are missing.

  guestctl capture web | tcpdump -n -r -
  guestctl capture web tcp port 80 and host 10.0.0.2 -w web.pcap
  guestctl capture web | wireshark -k -i -

FILTER is part of tcpdump's language: ip, ip6, arp, tcp, udp, icmp, icmp6, [src|dst] host ADDRESS, [src|dst] net ADDRESS/BITS,
[tcp|udp] [src|dst] port PORT, the same with portrange FROM-TO, and not, and, or, parentheses. Filter further by tcpdump -r - ….`;

/** Adds `guestctl capture`. */
export function addCapture(program: Command): void {
  const command = program
    .command("capture")
    .description(
      "Write the packets of a container's network namespace as pcapng to stdout or a file. TARGET is a container's id or the beginning of a random one, or the name of a guest.",
    )
    .usage("[options] TARGET [filter…]")
    .argument("<target>")
    .argument("[filter...]")
    .option("-w, --write <file>", "write to a file instead of stdout")
    .option("-i, --interface <name>", "only packets of this interface (default: all)")
    .option("-c, --count <packets>", "end after this many packets", count)
    .option("-s, --snaplen <bytes>", `keep only the beginning of each packet (default: ${MAX_SNAP})`, count);
  withTarget(command)
    .addHelpText("after", HELP)
    .action((target: string, filter: readonly string[], flags: CaptureFlags) => capture(target, filter, flags));
}

async function capture(text: string, words: readonly string[], flags: CaptureFlags): Promise<void> {
  const { write, interface: interfaceName, count: most = Number.POSITIVE_INFINITY, snaplen: snapLength } = flags;
  if (write === undefined && process.stdout.isTTY) {
    throw new CliError("capture: stdout is a terminal; add -w FILE, or | tcpdump -r -");
  }
  if (snapLength !== undefined && snapLength > MAX_SNAP) {
    throw new CliError(`capture: --snaplen ${snapLength}: the most is ${MAX_SNAP}`);
  }
  const filter = compileFilter(words.join(" "));
  const { address, container } = findForwardTarget(new StateStore(), flags, text);
  using interrupts = new Interrupts();
  const stop = new AbortController();
  interrupts.signal.addEventListener("abort", () => stop.abort(interrupts.signal.reason), { once: true });
  await using output = openOutput(write, (error) => stop.abort(error));
  const target = { container, filter, interfaceName };
  const named = snapLength === undefined ? target : { ...target, snapLength };
  let written = 0;
  let file: PcapngFile | undefined;
  for await (const event of capturePackets(address(), named, { stop: stop.signal })) {
    switch (event.type) {
      case "started":
        report(`${file ? "capturing again" : "capturing"} ${interfaceName ?? "all interfaces"} of ${text}`);
        if (file !== undefined) break;
        file = new PcapngFile(event.snapLength);
        await output.write(file.begin());
        break;
      case "interface":
        file?.name(event.index, event.name);
        break;
      case "packets": {
        const taken = Math.min(event.ends.length, most - written);
        if (taken === 0 || file === undefined) break;
        await output.write(file.packets(event.bytes, event.ends.slice(0, taken)));
        written += taken;
        if (written === most) stop.abort();
        break;
      }
      case "interrupted":
        report(`capture: cut after packet ${written}, the next ones are missing: ${event.reason}; reconnecting`);
        break;
      default:
        if (file !== undefined) await output.write(file.end());
        reportEnd(written, event);
    }
    if (output.error !== undefined) throw output.error;
  }
}

interface Output extends AsyncDisposable {
  /** Set once the output has failed. */
  readonly error: CliError | undefined;
  /** Resolves when the bytes are written, or the output has failed. */
  write(bytes: Buffer): Promise<void>;
}

/** Opens a file for packets, or stdout. `onError` is called once if it fails; a reader of stdout that is gone is no error. */
function openOutput(file: string | undefined, onError: (error: Error) => void): Output {
  const to = file === undefined ? process.stdout : createWriteStream(file, { mode: 0o600 });
  let error: CliError | undefined;
  to.on("error", (cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EPIPE") error ??= new CliError(`capture: write ${file ?? "stdout"}: ${oneLine(cause)}`);
    onError(error ?? cause);
  });
  return {
    get error() {
      return error;
    },
    write: (bytes) => new Promise((resolve) => to.write(bytes, () => resolve())),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => (file === undefined || to.destroyed ? resolve() : to.end(() => resolve()))),
  };
}

function reportEnd(written: number, { dropped, reason }: Extract<CaptureEvent, { type: "end" }>): void {
  const counts = `${written} packet${written === 1 ? "" : "s"} captured, ${dropped} dropped by the guest`;
  report(reason === "" ? counts : `${reason}; ${counts}`);
}

function report(line: string): void {
  process.stderr.write(`guestctl: ${line}\n`);
}
