// For scenarios that try one act after another: each comes when the page's activity tracker has long fallen asleep, so that
// it has to show by itself.
import { sleep } from '../system/lib.mjs';

export const PAUSE_MINUTES = 1.65; // the tracker gives up 40 to 70 s after the last key or button

// `acts`: [what the person does, async (page, stage)]. An act that can not be done fails the scenario.
export async function perform(stage, mark, acts) {
  for (const [note, act] of acts) {
    await stage.away(PAUSE_MINUTES);
    const page = await stage.attach();
    try {
      await act(page, stage);
    } catch (e) {
      throw new Error(`"${note}": ${e.message}`, { cause: e });
    }
    mark('act', note);
    await sleep(500); // so that its traces are not the detachment's
  }
}

export const devtools = (page) => page.context().newCDPSession(page);

// A turn of the wheel as a hand makes it: some notches, a few hundredths of a second apart.
export async function wheel(page, x, y, notches, apartMs = 60) {
  await page.mouse.move(x, y);
  for (let i = 0; i < Math.abs(notches); i++) {
    await page.mouse.wheel(0, 120 * Math.sign(notches));
    await sleep(apartMs);
  }
}
