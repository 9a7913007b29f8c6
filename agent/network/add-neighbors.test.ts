import { expect, test } from "vitest";
import { addNeighbors, type Neighbor, neighborWarnings } from "./add-neighbors.ts";
import { testNetwork } from "./testing/test-network.ts";

const signal = new AbortController().signal;
const devices = [{ name: "eth0" }];
const plain: Neighbor = {
  address: "10.99.0.77",
  device: "eth0",
  hardwareAddress: "02:00:00:00:00:77",
  state: 0x80,
  flags: 0,
};

test("adds neighbours as permanent entries unless a state is requested", async () => {
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

test("ignores unsupported flags and returns a warning for each neighbour that has them", async () => {
  const network = testNetwork({ devices });
  const neighbors = [plain, { ...plain, flags: 0x02 }, { ...plain, flags: 0x88 }, { ...plain, flags: -1 }];
  await addNeighbors(network, neighbors, signal);
  const line = "neigh replace 10.99.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud 128";
  expect(network.batches).toEqual([[line, line, `${line} router`, `${line} extern_learn router`]]);
  const warning = (index: number, others: number) =>
    `ARPNeighbors[${index}].flags: ${others} is ignored; only router (128) and external (16) are supported`;
  expect(neighborWarnings(neighbors)).toEqual([warning(1, 2), warning(2, 8), warning(3, -1 & ~0x90)]);
});

test.each<[Partial<Neighbor>, string]>([
  [{ address: "" }, "ARPNeighbors[1].toIPAddress"],
  [{ address: "10.0.0.1/8" }, "ARPNeighbors[1].toIPAddress"],
  [{ device: "" }, "ARPNeighbors[1].device"],
  [{ hardwareAddress: "77" }, "ARPNeighbors[1].lladdr"],
  [{ state: -1 }, "ARPNeighbors[1].state"],
  [{ state: 256 }, "ARPNeighbors[1].state"],
])("refuses a neighbour with %j and runs nothing", async (neighbor, why) => {
  const network = testNetwork({ devices });
  await expect(addNeighbors(network, [plain, { ...plain, ...neighbor }], signal)).rejects.toThrow(why);
  expect(network.runs).toEqual([]);
});

test("refuses a neighbour on a device that does not exist", async () => {
  const network = testNetwork({ devices });
  await expect(addNeighbors(network, [{ ...plain, device: "eth7" }], signal)).rejects.toThrow(
    "add neighbours: Link not found (Name: eth7); present: eth0",
  );
});
