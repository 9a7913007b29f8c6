import { render } from "preact";
import { Page } from "./page.tsx";
import { followGuests } from "./state/guests.ts";
import { linkState, me, sayError, socket } from "./state/page-state.ts";
import { followAddress } from "./state/route.ts";
import { exchangeToken, whoAmI } from "./state/session.ts";

async function start(): Promise<void> {
  await exchangeToken();
  followAddress();
  const place = document.getElementById("page");
  if (place !== null) render(<Page />, place);
  // Without an answer the socket tries again.
  const answer = await whoAmI().catch(() => "unknown" as const);
  if (answer === undefined) {
    linkState.value = "refused";
    return;
  }
  if (answer !== "unknown") me.value = answer;
  followGuests(socket);
  socket.start();
}

start().catch(sayError);
