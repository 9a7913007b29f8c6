import { expect, test } from "vitest";
import { addNeighbors, type Neighbor, neighborWarnings } from "./add-neighbors.ts";
import { testNetwork } from "./test-network.ts";

const signal = new AbortController().signal;
const devices = [{ name: "eth0" }];
const plain: Neighbor = {
  address: "10.99.0.77",
  device: "eth0",
  hardwareAddress: "02:00:00:00:00:77",
  state: 0x80,
  flags: 0,
};

test("neighbours become entries, permanent unless a state is given", async () => {
  const network = testNetwork({ devices });
  const others = [
    { ...plain, state: 0 },
    { ...plain, address: "fd00::77", state: 2, flags: 0x90 },
    { ...plain, hardwareAddress: "", state: 1 },
  ];
  await addNeighbors(network, [plain, ...others], signal);
  expect(network.batches).toEqual([
    [
      "neigh replace 10.99.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud 128",
      "neigh replace 10.99.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud 128",
      "neigh replace fd00::77 lladdr 02:00:00:00:00:77 dev eth0 nud 2 extern_learn router",
      "neigh replace 10.99.0.77 dev eth0 nud 1",
    ],
  ]);
});

test("flags that are not set are passed over, and told", async () => {
  const network = testNetwork({ devices });
  const neighbors = [plain, { ...plain, flags: 0x02 }, { ...plain, flags: 0x88 }, { ...plain, flags: -1 }];
  await addNeighbors(network, neighbors, signal);
  const line = "neigh replace 10.99.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud 128";
  expect(network.batches).toEqual([[line, line, `${line} router`, `${line} extern_learn router`]]);
  const told = (index: number, others: number) =>
    `ARPNeighbors[${index}].flags: ${others} is passed over, only router (128) and external (16) are set`;
  expect(neighborWarnings(neighbors)).toEqual([told(1, 2), told(2, 8), told(3, -1 & ~0x90)]);
});

test.each<[Partial<Neighbor>, string]>([
  [{ address: "" }, "ARPNeighbors[1].toIPAddress"],
  [{ address: "10.0.0.1/8" }, "ARPNeighbors[1].toIPAddress"],
  [{ device: "" }, "ARPNeighbors[1].device"],
  [{ hardwareAddress: "77" }, "ARPNeighbors[1].lladdr"],
  [{ state: -1 }, "ARPNeighbors[1].state"],
  [{ state: 256 }, "ARPNeighbors[1].state"],
])("one as in %j is refused, and nothing is run", async (neighbor, why) => {
  const network = testNetwork({ devices });
  await expect(addNeighbors(network, [plain, { ...plain, ...neighbor }], signal)).rejects.toThrow(why);
  expect(network.runs).toEqual([]);
});

test("one of a device that is not there is told", async () => {
  const network = testNetwork({ devices });
  await expect(addNeighbors(network, [{ ...plain, device: "eth7" }], signal)).rejects.toThrow(
    "add neighbours: Link not found (Name: eth7); there are eth0",
  );
});
