// Asks the server that `kinetics browse` runs. static_site.js answers the same questions from the files of an export.

import { unpack } from "./packed_frames.js";

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Start kinetics browse again, and reload this page.");
  }
  if (!response.ok) {
    const text = await response.text();
    let reason = text;
    try {
      const { problem, next } = JSON.parse(text);
      reason = `${problem} ${next}`;
    } catch { /* Not JSON: plain words. */ }
    throw new Error(reason);
  }
  return response;
}

const askJson = async (path, options) => (await ask(path, options)).json();

const frames = async (row, most) => unpack(await (await ask(`api/frames/${row}?most=${most}`)).arrayBuffer());

export const collection = () => askJson("api/collection");
export const counts = (query) => askJson(`api/counts?${query}`);
export const clips = (query, page) => askJson(`api/clips?${query}&page=${page}`);
export const clip = (key) => askJson(`api/clip?${new URLSearchParams({ key })}`);
export const preview = (card) => frames(card.row, 10);
export const allFrames = (card) => frames(card.row, 0);
export const audioAddress = (card) => `api/audio/${card.row}`;
export const mediaAddress = (card) => `api/media/${card.row}`;
export const marks = () => askJson("api/marks");
export const mark = (youtube_id, marked) => askJson("api/marks", { method: "POST", body: JSON.stringify({ youtube_id, marked }) });
