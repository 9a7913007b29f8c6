import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { holds, matches } from "../check.ts";
import { interfaceCases } from "./interface-cases.ts";
import { routeCases } from "./route-cases.ts";

/** Skips the case if the call fails because the agent's kernel lacks netfilter. */
function netfilter<T>(context: CaseContext, call: Promise<T>): Promise<T> {
  return call.catch((error: Error) => {
    if (/initialize|not supported|Table does not exist/i.test(error.message)) {
      context.skip("the agent's kernel has no netfilter");
    }
    throw error;
  });
}

export const network: CaseGroup = {
  name: "network",
  title: "Network",
  cases: [
    {
      name: "ListInterfaces: includes the loopback interface",
      level: "must",
      source: "agent.proto, ListInterfaces",
      run: async ({ agent }) => {
        const { Interfaces } = await agent.listInterfaces({});
        holds(
          Interfaces.some(({ name }) => name === "lo"),
          "lo is listed",
          Interfaces.map(({ name }) => name),
        );
      },
    },
    {
      name: "ListRoutes: answers",
      level: "must",
      source: "agent.proto, ListRoutes",
      run: ({ agent }) => agent.listRoutes({}),
    },
    ...interfaceCases,
    ...routeCases,
    {
      name: "GetIPTables: returns the text of iptables-save",
      level: "should",
      source: "Go shim, kata-runtime iptables",
      needs: ["own-agent"],
      run: async (context) => {
        const { data } = await netfilter(context, context.agent.getIPTables({ is_ipv6: false }));
        const text = Buffer.from(data).toString();
        holds(text === "" || /^(#|\*)/m.test(text), "it has comments or tables", text.slice(0, 200));
      },
    },
    {
      name: "SetIPTables: GetIPTables returns a chain that was set",
      level: "should",
      source: "Go shim, kata-runtime iptables",
      needs: ["own-agent"],
      run: async (context) => {
        const set = (text: string) => context.agent.setIPTables({ is_ipv6: false, data: Buffer.from(text) });
        await netfilter(context, set("*filter\n:CONFORMANCE - [0:0]\nCOMMIT\n"));
        const { data } = await context.agent.getIPTables({ is_ipv6: false });
        await set("*filter\nCOMMIT\n");
        matches(Buffer.from(data).toString(), /^:CONFORMANCE /m, "the text");
      },
    },
  ],
};
