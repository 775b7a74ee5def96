// Run by Node: makes Payload's tables, fills them through its local API, writes the truth down.
//
//     node payload_fill.mjs SETTINGS.json
//
// SETTINGS: modules (the folder of node_modules), database (a file: URL), media (a folder), pictures,
// papers and truth (the file to write).

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const told = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { resolve } = createRequire(join(told.modules, 'package.json'))
// This script lies outside of the folder that has the packages.
const load = async (name) => import(pathToFileURL(resolve(name)).href)

const { buildConfig, getPayload } = await load('payload')
const { sqliteAdapter } = await load('@payloadcms/db-sqlite')
const { lexicalEditor } = await load('@payloadcms/richtext-lexical')
const sharp = (await load('sharp')).default

const holds = {}
const abandoned = new Set()
const hold = (column, ...keys) => keys.forEach((key) => (holds[column] ??= new Set()).add(key))

const media = {
  slug: 'media',
  upload: {
    staticDir: join(told.media, 'media'),
    imageSizes: [
      { name: 'square', width: 100, height: 100 },
      { name: 'card', width: 240, formatOptions: { format: 'webp' } },
    ],
    adminThumbnail: 'square',
  },
  fields: [{ name: 'alt', type: 'text' }],
}
const papers = { slug: 'papers', upload: { staticDir: join(told.media, 'papers') }, fields: [] }
const users = {
  slug: 'users',
  auth: true,
  fields: [{ name: 'avatar', type: 'upload', relationTo: 'media' }],
}
const posts = {
  slug: 'posts',
  versions: { drafts: true },
  fields: [
    { name: 'title', type: 'text' },
    { name: 'hero', type: 'upload', relationTo: 'media' },
    { name: 'body', type: 'richText', editor: lexicalEditor() },
    { name: 'embed', type: 'code' },
    { name: 'data', type: 'json' },
    { name: 'links', type: 'text', hasMany: true },
    { name: 'gallery', type: 'array', fields: [{ name: 'address', type: 'text' }] },
  ],
}

const payload = await getPayload({
  config: buildConfig({
    secret: 'of no use to anybody',
    serverURL: 'https://shop.example.org',
    telemetry: false,
    collections: [media, papers, users, posts],
    db: sqliteAdapter({ client: { url: told.database }, push: true }),
    sharp,
    typescript: { autoGenerate: false },
    logger: { options: { level: 'warn' } },
  }),
})

const upload = (collection, path) =>
  payload.create({ collection, filePath: path, data: collection === 'media' ? { alt: 'A picture' } : {} })
const images = []
for (const path of told.pictures) images.push(await upload('media', path))
const documents = []
for (const path of told.papers) documents.push(await upload('papers', path))

for (let number = 0; number < 3; number++) {
  await payload.create({
    collection: 'users',
    data: { email: `u${number}@example.org`, password: 'secret', avatar: images[number].id },
  })
}

const text = (said) => ({ type: 'text', text: said, version: 1, detail: 0, format: 0, mode: 'normal', style: '' })
const block = (type, extra) => ({ type, version: 1, direction: 'ltr', format: '', indent: 0, ...extra })
const keyOf = (document, folder = 'media') => `${folder}/${document.filename}`
const sizeOf = (document, size) => `media/${document.sizes[size].filename}`

async function write(number) {
  const [image, other, paper] = [images[number], images[number + 1], documents[number]]
  const post = await payload.create({
    collection: 'posts',
    data: {
      title: `News ${number}`,
      hero: image.id,
      body: {
        root: block('root', {
          children: [
            block('upload', { relationTo: 'media', value: image.id, id: `${number}`, fields: {} }),
            block('paragraph', {
              children: [
                block('link', {
                  children: [text('paper')],
                  fields: { linkType: 'custom', newTab: false, url: paper.url },
                  id: `l${number}`,
                }),
              ],
            }),
          ],
        }),
      },
      embed: `<img srcset="${other.sizes.card.url} 240w, ${other.url} 480w">`,
      data: { cover: { src: other.sizes.square.url, kind: 'cover' } },
      links: [paper.url, `${paper.url}?download=1`],
      gallery: [{ address: image.url }, { address: other.sizes.card.filename }],
      _status: 'published',
    },
  })
  for (const table of ['posts', '_posts_v']) {
    const field = (name) => `${table}.${table === 'posts' ? name : `version_${name}`}`
    hold(field('body'), keyOf(paper, 'papers'))
    hold(field('embed'), sizeOf(other, 'card'), keyOf(other))
    hold(field('data'), sizeOf(other, 'square'))
    hold(`${table}_texts.text`, keyOf(paper, 'papers'))
  }
  hold('posts_gallery.address', keyOf(image), sizeOf(other, 'card'))
  hold('_posts_v_version_gallery.address', keyOf(image), sizeOf(other, 'card'))
  return post
}
const written = []
for (let number = 0; number < 4; number++) written.push(await write(number))
// The post shows another file now; the version before it still has this one.
await payload.update({
  collection: 'posts', id: written[3].id, data: { embed: `<img src="${images[7].url}">` },
})
holds['posts.embed'].delete(sizeOf(images[4], 'card'))
holds['posts.embed'].delete(keyOf(images[4]))
hold('posts.embed', keyOf(images[7]))
hold('_posts_v.version_embed', keyOf(images[7]))

// A row goes as a script takes it; its files stay.
for (const lost of images.splice(-3)) {
  const sizes = Object.keys(lost.sizes).filter((size) => lost.sizes[size].filename)
  abandoned.add(keyOf(lost))
  sizes.forEach((size) => abandoned.add(sizeOf(lost, size)))
  await payload.db.deleteOne({ collection: 'media', where: { id: { equals: lost.id } } })
}
const lost = documents.pop()
abandoned.add(keyOf(lost, 'papers'))
await payload.db.deleteOne({ collection: 'papers', where: { id: { equals: lost.id } } })

for (const image of (await payload.find({ collection: 'media', pagination: false })).docs) {
  hold('media.filename', keyOf(image))
  hold('media.url', keyOf(image))
  for (const [size, made] of Object.entries(image.sizes)) {
    if (!made.filename) continue
    hold(`media.sizes_${size}_filename`, sizeOf(image, size))
    hold(`media.sizes_${size}_url`, sizeOf(image, size))
  }
}
for (const paper of (await payload.find({ collection: 'papers', pagination: false })).docs) {
  hold('papers.filename', keyOf(paper, 'papers'))
  hold('papers.url', keyOf(paper, 'papers'))
}
const said = Object.entries(holds).map(([column, keys]) => [column, [...keys].sort()])
writeFileSync(
  told.truth,
  JSON.stringify({
    holds: Object.fromEntries(said), computed: {}, mentions: {}, abandoned: [...abandoned].sort(),
  }),
)
process.exit(0)
