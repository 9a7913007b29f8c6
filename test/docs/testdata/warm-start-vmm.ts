import { Firecracker, startClone, takeSnapshot } from "../../../host/machine/vmm/index.ts";

const folder = "/srv/guests/template"; // exists and is empty
const template = new Firecracker("/srv/guests/web/api.sock");
const { manifest, losses } = await takeSnapshot(template, {
  address: "hvsock:///srv/guests/web/v.sock:1024",
  folder,
  boot: { kernel: "/srv/guests/vmlinux", image: "/srv/guests/guest.squashfs" },
});
for (const { kind, object, consequence } of losses) console.log(`${kind} ${object}: ${consequence}`);

const clone = new Firecracker("/srv/guests/clone/api.sock", {
  clone: { vsock: "/srv/guests/clone/v.sock", taps: { eth0: "tap2" } },
});
const { epoch } = await startClone(clone, {
  address: "hvsock:///srv/guests/clone/v.sock:1024",
  folder,
  epoch: manifest.epoch + 1,
  identity: { hostname: "clone" },
});
console.log(`${manifest.vmm.name} ${manifest.vmm.version}: a clone with epoch ${epoch}`);
