import { expect, test } from "vitest";
import { getIptables, setIptables } from "./iptables.ts";
import { testNetwork } from "./test-network.ts";

const signal = new AbortController().signal;

test("tables are read and set by the program of their family, in /usr/sbin where it is there", async () => {
  const network = testNetwork({ files: { "/usr/sbin/iptables-save": "", "/sbin/ip6tables-restore": "" } });
  await getIptables(network, "v4", signal);
  await getIptables(network, "v6", signal);
  await setIptables(network, "v4", Buffer.from("*nat\nCOMMIT\n"), signal);
  await setIptables(network, "v6", Buffer.from("*nat\nCOMMIT\n"), signal);
  expect(network.runs.map((run) => run.join(" "))).toEqual([
    "/usr/sbin/iptables-save",
    "/usr/sbin/ip6tables-save",
    "/usr/sbin/iptables-restore --wait 5",
    "/sbin/ip6tables-restore --wait 5",
  ]);
});

test.each([
  "-A INPUT -M /bin/sh",
  "-M/x",
  "--modprobe=/x",
  "--mo /x",
  '"--mod"probe /x',
  "\\-M /x",
  "-fM /x",
  "*nat\r-M x",
])("a line that names a program to run is refused: %j", async (line) => {
  const network = testNetwork();
  const text = Buffer.from(`*filter\n-A INPUT -m mark --mark 1 -j MARK\n${line}\nCOMMIT\n`);
  await expect(setIptables(network, "v4", text, signal)).rejects.toThrow("line 3: the option --modprobe is not taken");
  expect(network.runs).toEqual([]);
});
