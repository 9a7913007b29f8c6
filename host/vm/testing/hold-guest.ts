import { Guest } from "../guest.ts";

// Starts a guest, prints its processes, and keeps it until this process ends, to test that the guest ends with it.
const [kernel = "", initrd = "", directory = ""] = process.argv.slice(2);
const guest = await Guest.start({ kernel, initrd, image: false, shares: [{ tag: "share", directory }] });
console.log(JSON.stringify({ pids: guest.pids, address: guest.address(1024) }));
setInterval(() => undefined, 60_000);
