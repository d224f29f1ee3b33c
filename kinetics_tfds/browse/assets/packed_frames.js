// Frames in one piece: their number, the size of each, then the JPEG images. See answers.pack_frames.

export function unpack(buffer) {
  const view = new DataView(buffer);
  const blobs = [];
  const length = view.getUint32(0, true);
  let start = 4 + 4 * length;
  for (let index = 0; index < length; index += 1) {
    const end = start + view.getUint32(4 + 4 * index, true);
    blobs.push(new Blob([new Uint8Array(buffer, start, end - start)], { type: "image/jpeg" }));
    start = end;
  }
  return { length, bitmap: (index) => createImageBitmap(blobs[index]) };
}
