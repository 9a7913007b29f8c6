import type { Init } from "../../../proto/codec.ts";
import type { types } from "../../../proto/gen/messages.js";
import type { CaseContext } from "../case-context.ts";
import { holds } from "../check.ts";

export const NAME = "conf0";
export const ADDRESS = { address: "10.199.0.2", mask: "24" };

/** Sets up the interface that cases may change. */
export async function setUp(context: CaseContext, parts: Init<types.Interface> = {}): Promise<types.Interface> {
  const hwAddr = await context.session.interfaceAddress();
  const wanted = { device: NAME, name: NAME, IPAddresses: [ADDRESS], mtu: 1450, hwAddr, type: "veth" };
  return context.agent.updateInterface({ interface: { ...wanted, ...parts } });
}

/** Returns the interface as ListInterfaces shows it. */
export async function listed(context: CaseContext): Promise<types.Interface> {
  const hwAddr = await context.session.interfaceAddress();
  const { Interfaces } = await context.agent.listInterfaces({});
  const found = Interfaces.find((one) => one.hwAddr.toLowerCase() === hwAddr);
  holds(
    found !== undefined,
    `ListInterfaces has ${hwAddr}`,
    Interfaces.map((one) => one.hwAddr),
  );
  return found;
}
