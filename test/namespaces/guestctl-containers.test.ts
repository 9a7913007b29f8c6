import { guestctlContainers } from "../scenarios/guestctl-containers.ts";
import { describeWithDevGuest, WHERE } from "./testing/dev-guest.ts";

describeWithDevGuest("guestctl with a guest's containers", (dev) => {
  guestctlContainers(() => ({ name: "dev", env: dev.env, where: WHERE, image: "" }));
});
