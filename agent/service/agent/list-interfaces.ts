import { listLinks } from "../../network/links.ts";
import { IP_FAMILY } from "../ip-family.ts";
import type { Rpc } from "../rpc.ts";

export const listInterfaces: Rpc<"ListInterfaces"> = {
  afterDeath: "repeat",
  async handle({ network }, _request, { signal }) {
    const links = await listLinks(network, signal);
    return {
      Interfaces: links.map(({ name, hardwareAddress, mtu, addresses }) => ({
        name,
        hwAddr: hardwareAddress,
        mtu,
        IPAddresses: addresses.map(({ address, length, family }) => ({
          address,
          mask: String(length),
          family: IP_FAMILY[family],
        })),
      })),
    };
  },
};
