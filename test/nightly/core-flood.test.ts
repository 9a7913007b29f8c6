import { expect, test } from "vitest";
import { listCores, readCore } from "../../host/client/streams/cores.ts";
import { readEvents } from "../../host/client/streams/events.ts";
import { whileChecking } from "../attack/vm/testing/neighbours.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const MIB = 2 ** 20;
/** agent.core_dumps: so small that not even the eight cores which one container may have in a minute fit. */
const BOUND = 8 * MIB;
const PROCESSES = 200;
/** Memory of each process, in bytes. */
const FILLED = 1_000_000;
const SIGSEGV = 11;
/** The longest that a host waits for Check, whatever a container does. */
const PROMISED_MS = 1000;

/** Starts processes that wait, share their memory, and then all dump their core at once. Prints how many of them have ended by it. */
const FLOOD = `x=$(head -c ${FILLED} /dev/zero | tr '\\0' x); mkfifo /wait; exec 3<>/wait; pids=
for i in $(seq ${PROCESSES}); do (read line <&3; echo $x >/dev/null) & pids="$pids $!"; done
kill -SEGV $pids; n=0
for pid in $pids; do wait $pid; [ $? = ${128 + SIGSEGV} ] && n=$((n+1)); done; rm /wait; echo $n`;

test(`a guest with ${BOUND / MIB} MiB for core dumps keeps the newest of ${PROCESSES} that arrive at once`, async () => {
  await using machine = await startGuestMachine(undefined, { kernelArgs: [`agent.core_dumps=${BOUND}`] });
  const pod = await Pod.open(machine);
  const address = machine.guest.address(1028);
  const list = () => listCores(pod.client);
  const waiting = () => machine.shell("pidof keep-core; ls /run/guestd/cores/new");
  const usedKib = async () => Number((await machine.shell("df -k /run/guestd/cores | tail -1")).split(/ +/)[2]);
  await list();
  const usedBefore = await usedKib();
  const start = () => pod.start(["sleep", "1000"]);
  const [web, first, second, large] = [await start(), await start(), await start(), await start()];
  expect((await pod.execute(web, ["sh", "-c", "kill -SEGV $$"])).status).toBe(128 + SIGSEGV);
  await expect.poll(async () => (await list()).length).toBe(1);

  const slowest: number[] = [];
  let most = 0;
  for (const id of [first, second]) {
    const flood = await whileChecking(pod.client, async () => {
      const { stdout, status } = await pod.execute(id, ["sh", "-c", FLOOD]);
      await expect.poll(waiting).toBe("");
      return [stdout.toString(), status];
    });
    expect(flood.result).toEqual([`${PROCESSES}\n`, 0]);
    slowest.push(flood.slowest);
    most = Math.max(most, await usedKib());
  }
  expect(Math.max(...slowest)).toBeLessThan(PROMISED_MS);

  // The next ones always find room, four times a quarter of the bound.
  for (let count = 1; count <= 4; count++) {
    const crash = `x=$(head -c 5000000 /dev/zero | tr '\\0' x); kill -SEGV $$`;
    expect((await pod.execute(large, ["sh", "-c", crash])).status).toBe(128 + SIGSEGV);
    await expect.poll(waiting).toBe("");
    const last = (await list()).at(-1);
    expect(last).toMatchObject({ container: large, size: BOUND / 4, cut: "limit" });
    most = Math.max(most, await usedKib());
  }
  expect(most * 1024).toBeLessThanOrEqual(BOUND);

  const kept = await list();
  const reported: { readonly container: string; readonly id: number }[] = [];
  for await (const event of readEvents(address, { since: 1, kinds: ["core"], end: true })) {
    if ("core" in event) reported.push({ container: event.container, id: event.core?.id ?? 0 });
  }
  // Numbers have no holes: each core dump that was kept for a while was reported once, in order.
  expect(reported.map(({ id }) => id)).toEqual(reported.map((_, at) => at + 1));
  expect(kept.at(-1)?.id).toBe(reported.length);
  for (const container of [web, first, second, large]) {
    const ids = reported.filter((each) => each.container === container).map(({ id }) => id);
    const newest = kept.filter((each) => each.container === container).map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.length).toBeLessThanOrEqual(8);
    expect(newest).toEqual(ids.slice(ids.length - newest.length));
  }
  expect(kept.filter(({ container }) => container === web)).toHaveLength(1);
  expect(kept.length).toBeLessThan(reported.length);
  for (const { id, size } of kept) {
    const bytes = Buffer.concat(await Array.fromAsync(readCore(address, id)));
    expect([bytes.length, bytes.toString("latin1", 0, 4)]).toEqual([size, "\x7fELF"]);
  }

  await pod.client.guest.removeCores({ ids: kept.map(({ id }) => id) });
  for (const id of [web, first, second, large]) await pod.remove(id);
  expect([await list(), await waiting(), await usedKib()]).toEqual([[], "", usedBefore]);
  const sizes = kept.map(({ size, cut }) => `${(size / MIB).toFixed(1)} MiB${cut && ` (${cut})`}`);
  console.log(
    `2 × ${PROCESSES} core dumps at once: ${reported.length} reported, ${kept.length} kept (${sizes.join(", ")}), at most ` +
      `${most} KiB; slowest Check ${slowest.map((ms) => ms.toFixed(0)).join(" and ")} ms`,
  );
  await pod.client.close();
}, 600_000);
