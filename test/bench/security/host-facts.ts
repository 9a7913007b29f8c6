import { execFileSync } from "node:child_process";

/** A fact of a machine, printed by a shell command that busybox and the host understand. */
interface Fact {
  readonly name: string;
  readonly command: string;
}

const dmi = (file: string): string => `cat /sys/class/dmi/id/${file}`;
const cpu = (field: string): string => `sed -n 's/^${field}[[:space:]]*: //p' /proc/cpuinfo | head -n 1`;

const FACTS: readonly Fact[] = [
  { name: "processor model", command: cpu("model name") },
  {
    name: "processor family, model, stepping",
    command: `echo $(${["cpu family", "model", "stepping"].map(cpu).join("; ")})`,
  },
  {
    name: "processor's clock rate",
    command: `awk '/^cpu MHz/ { printf "%.1f GHz", $4 / 1000; exit }' /proc/cpuinfo; echo`,
  },
  { name: "microcode", command: cpu("microcode") },
  { name: "number of processors", command: "grep -c ^processor /proc/cpuinfo" },
  { name: "memory, kB", command: "sed -n 's/^MemTotal: *//p' /proc/meminfo" },
  { name: "kernel", command: "uname -r" },
  { name: "host name", command: "uname -n" },
  { name: "DMI vendor", command: dmi("sys_vendor") },
  { name: "DMI product", command: dmi("product_name") },
  { name: "DMI BIOS version", command: dmi("bios_version") },
  { name: "DMI serial number", command: dmi("product_serial") },
  { name: "boot id", command: "cat /proc/sys/kernel/random/boot_id" },
  { name: "boot time", command: "sed -n 's/^btime //p' /proc/stat" },
  { name: "clock source", command: "cat /sys/devices/system/clocksource/clocksource0/current_clocksource" },
  { name: "hypervisor bit", command: "grep -qw hypervisor /proc/cpuinfo && echo set || echo clear" },
];

const NESTING: Fact = {
  name: "vmx or svm",
  command: "grep -m 1 ^flags /proc/cpuinfo | grep -owE 'vmx|svm' || echo neither",
};
const KVM: Fact = { name: "/dev/kvm in a container", command: "test -e /dev/kvm && echo there || echo none" };

const ALL = [...FACTS, NESTING, KVM];
const SEPARATOR = "-- next --";
const SCRIPT = ALL.map(({ command }) => `{ ${command}; } 2>/dev/null; echo '${SEPARATOR}'`).join("\n");

/** Returns rows of axis, fact, and the guest's value beside whether the host's is equal. */
export async function hostFacts(inGuest: (script: string) => Promise<string>): Promise<readonly (readonly string[])[]> {
  const here = split(execFileSync("sh", ["-c", SCRIPT], { encoding: "utf8" }));
  const there = split(await inGuest(SCRIPT));
  return ALL.map((fact, index) => [
    fact === NESTING || fact === KVM ? "nesting" : "host facts",
    fact.name,
    compared(there[index] ?? "", here[index] ?? ""),
  ]);
}

function split(output: string): readonly string[] {
  return output.split(`${SEPARATOR}\n`).map((value) => value.trim());
}

/** Compares a value of the guest with the host's, which is not shown. */
function compared(guest: string, host: string): string {
  const shown = guest === "" ? "none" : guest;
  if (host === "") return `${shown}; the host has none`;
  return guest === host ? `${shown}; equal to the host's` : `${shown}; differs from the host's`;
}
