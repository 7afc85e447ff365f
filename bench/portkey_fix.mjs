// Portkey 1.15 answers every stream with "TypeError: immutable" on Node 20, as it sets headers on
// what fetch() returned (its issue 1389). This gives fetched responses headers that can be set.
const plainFetch = globalThis.fetch;

globalThis.fetch = async (...args) => {
  const response = await plainFetch(...args);
  return new Response(response.body, {
    status: response.status,
    statusText: response.statusText,
    headers: new Headers(response.headers),
  });
};
