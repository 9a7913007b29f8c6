import { expect, test } from "vitest";
import { ColdMemory } from "./cold-memory.ts";
import { defaultMemcg, type MemcgSettings } from "./settings.ts";
import { CALM, testGuest } from "./testing/test-guest.ts";

const settings: MemcgSettings = { ...defaultMemcg, periodSecs: 1, evictionRunAgingCountMin: 2 };
const running = () => new AbortController().signal;

/** A guest with one cgroup that has `file` cold pages, on a kernel that obeys. */
async function guestWith(file: number) {
  const guest = testGuest({
    "/sys/kernel/mm/lru_gen/enabled": "0x0000\n",
    "/proc/pressure/memory": CALM,
    "/cg/pod/a/memory.pressure": CALM,
    "/cg/pod/a/io.pressure": CALM,
  });
  const kernel = { file, max: 3, min: 0 };
  const show = () => {
    const rows = Array.from({ length: kernel.max - kernel.min + 1 }, (_, at) => {
      const pages = at === 0 ? kernel.file : 5;
      return ` ${String(kernel.min + at).padStart(10)} ${"900".padStart(10)} ${"7".padStart(10)}  ${String(pages).padStart(10)} `;
    });
    guest.files.set("/debug/lru_gen", ["memcg    12 /pod/a", " node     0", ...rows, ""].join("\n"));
  };
  guest.onWrite = (_path, text) => {
    const [command, , , seq = "", , pages] = text.split(" ");
    if (command === "+") {
      expect(Number(seq)).toBe(kernel.max);
      kernel.max += 1;
      kernel.min = kernel.max - 3;
    } else if (command === "-") kernel.file = Math.max(0, kernel.file - Number(pages));
    if (kernel.file === 0) kernel.min = kernel.max - 2;
    show();
  };
  show();
  const part = new ColdMemory(guest);
  await part.prepare();
  guest.written.splice(0);
  return { guest, part };
}

const commands = ({ written }: { written: [string, string][] }) => written.map(([, text]) => text);

test("enables MGLRU only if it is off", async () => {
  const guest = testGuest({
    "/sys/kernel/mm/lru_gen/enabled": "0x0003\n",
    "/proc/pressure/memory": CALM,
    "/debug/lru_gen": "",
  });
  await new ColdMemory(guest).prepare();
  expect(guest.written).toEqual([["/sys/kernel/mm/lru_gen/enabled", "y"]]);
  guest.files.set("/sys/kernel/mm/lru_gen/enabled", "0x0007\n");
  await new ColdMemory(guest).prepare();
  expect(guest.written).toHaveLength(1);
});

test.each([
  ["/sys/kernel/mm/lru_gen/enabled", "MGLRU (/sys/kernel/mm/lru_gen/enabled: ENOENT)"],
  ["/proc/pressure/memory", "pressure stall information (/proc/pressure/memory: ENOENT)"],
])("reports a kernel without %s in the text that hosts know", async (path, what) => {
  const guest = testGuest({ "/sys/kernel/mm/lru_gen/enabled": "0x0007\n", "/proc/pressure/memory": CALM });
  guest.files.delete(path);
  await expect(new ColdMemory(guest).prepare()).rejects.toMatchObject({
    kind: "internal",
    message: `mem-agent is disabled: this kernel has no ${what}`,
  });
});

test("ages memory in each period, then reclaims it in batches until none is cold", async () => {
  const { guest, part } = await guestWith(2500);
  await part.round(settings, running());
  expect(commands(guest)).toEqual(["+ 12 0 3 0 1"]);
  await part.round(settings, running());
  expect(commands(guest).slice(1)).toEqual(["+ 12 0 4 0 1", "- 12 0 2 0 1024", "- 12 0 2 0 1024", "- 12 0 2 0 1024"]);
  expect(guest.lines).toEqual([[{ cgroup: "/pod/a", pages: 2500 }, "cold memory was reclaimed"]]);
});

test("leaves a cgroup under pressure alone, and stops evicting when pressure rises", async () => {
  const { guest, part } = await guestWith(5000);
  await part.round(settings, running());
  guest.ms = 1000;
  guest.files.set("/cg/pod/a/io.pressure", CALM.replace("1000", "31000"));
  await part.round(settings, running());
  expect(commands(guest)).toHaveLength(1);
  guest.ms = 2000;
  const play = guest.onWrite;
  guest.onWrite = (path, text) => {
    if (text.startsWith("-")) {
      guest.ms += 100;
      guest.files.set("/cg/pod/a/io.pressure", CALM.replace("1000", "91000"));
    }
    return play(path, text);
  };
  await part.round(settings, running());
  expect(commands(guest).slice(1)).toEqual(["+ 12 0 4 0 1", "- 12 0 2 0 1024"]);
});

test.each([
  [2, 1],
  [3, 2],
])(
  "skips a period above a periodPsiPercentLimit of %d: of two periods, the second at 3 %%, %d are used",
  async (limit, aged) => {
    const { guest, part } = await guestWith(10);
    const limits = { ...settings, evictionRunAgingCountMin: 9, periodPsiPercentLimit: limit };
    await part.round(limits, running());
    guest.ms = 1000;
    guest.files.set("/cg/pod/a/io.pressure", CALM.replace("1000", "31000"));
    await part.round(limits, running());
    expect(commands(guest)).toHaveLength(aged);
  },
);

test.each([
  [49, 1],
  [50, 5],
])("stops evicting above an evictionPsiPercentLimit of %d: at 50 %%, after %d batches", async (limit, taken) => {
  const { guest, part } = await guestWith(5000);
  const play = guest.onWrite;
  guest.onWrite = (path, text) => {
    if (text.startsWith("-")) guest.ms += 100;
    guest.files.set("/cg/pod/a/io.pressure", CALM.replace("1000", String(guest.ms * 500)));
    return play(path, text);
  };
  await part.round({ ...settings, evictionRunAgingCountMin: 0, evictionPsiPercentLimit: limit }, running());
  expect(commands(guest).filter((line) => line.startsWith("-"))).toHaveLength(taken);
});

test("stops when the kernel reclaims no more", async () => {
  const { guest, part } = await guestWith(5000);
  guest.onWrite = () => undefined;
  await part.round({ ...settings, evictionRunAgingCountMin: 0 }, running());
  expect(commands(guest)).toEqual(["+ 12 0 3 0 1", "- 12 0 0 0 1024"]);
});

test("continues with other cgroups after one is removed meanwhile", async () => {
  const { guest, part } = await guestWith(10);
  const text = guest.files.get("/debug/lru_gen") ?? "";
  guest.files.set("/debug/lru_gen", `${text.replaceAll("/pod/a", "/gone").replace("12", "11")}${text}`);
  await part.round(settings, running());
  expect(guest.lines[0]?.[0]).toMatchObject({ cgroup: "/gone" });
  expect(commands(guest)).toEqual(["+ 12 0 3 0 1"]);
});

test("writes nothing in a round that is cancelled", async () => {
  const { guest, part } = await guestWith(10);
  const stop = new AbortController();
  stop.abort();
  await expect(part.round(settings, stop.signal)).rejects.toThrow();
  expect(guest.written).toEqual([]);
});
