import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

/** What a host sees of GetIPTables and SetIPTables. */
export function iptablesScenarios(pod: () => Pod): void {
  const tables = async (is_ipv6: boolean) => {
    const { data } = await pod().client.agent.getIPTables({ is_ipv6 });
    return Buffer.from(data).toString();
  };
  const set = (is_ipv6: boolean, text: string) => {
    return pod().client.agent.setIPTables({ is_ipv6, data: Buffer.from(text) });
  };
  const empty = "*filter\nCOMMIT\n*nat\nCOMMIT\n";

  it.each([false, true])("rules are set whole and read again; IPv6: %s", async (is_ipv6) => {
    const rule = "-A INPUT -p tcp -m tcp --dport 8080 -j DROP";
    const redirect = "-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 15001";
    await set(
      is_ipv6,
      `*filter\n:INPUT ACCEPT [0:0]\n${rule}\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n${redirect}\nCOMMIT\n`,
    );
    const text = await tables(is_ipv6);
    expect(text).toContain(rule);
    expect(text).toContain(redirect);
    expect(await tables(!is_ipv6)).not.toContain("15001");
    await set(is_ipv6, text);
    await set(is_ipv6, empty);
    expect(await tables(is_ipv6)).not.toMatch(/8080|15001/);
  });

  it.each([false, true])(
    "rules with words like those of --modprobe are set as they were read; IPv6: %s",
    async (is_ipv6) => {
      const rules = [
        "-A INPUT -m statistic --mode random --probability 0.50000000000 -j DROP",
        '-A INPUT -m comment --comment "see -M, or \\"--modprobe\\" x" -j DROP',
      ];
      await set(is_ipv6, `*filter\n${rules.join("\n")}\nCOMMIT\n`);
      const text = await tables(is_ipv6);
      expect(text.split("\n")).toEqual(expect.arrayContaining(rules));
      await set(is_ipv6, empty);
      await set(is_ipv6, text);
      expect((await tables(is_ipv6)).split("\n")).toEqual(expect.arrayContaining(rules));
      await set(is_ipv6, empty);
    },
  );

  it("rules that can't be change nothing, and the line is told", async () => {
    await set(false, "*filter\n-A INPUT -p udp -j DROP\nCOMMIT\n");
    await expect(set(false, "*filter\n-A INPUT -j NOWHERE\nCOMMIT\n")).rejects.toThrow(
      "set iptables: Chain 'NOWHERE' does not exist, Error occurred at line: 3",
    );
    await expect(set(false, "*filter\n-A INPUT -M /bin/sh -j DROP\nCOMMIT\n")).rejects.toThrow(
      "--modprobe is not allowed",
    );
    expect(await tables(false)).toContain("-A INPUT -p udp -j DROP");
    await set(false, empty);
  });
}
