// The large image: zoom and pan, boxes and masks by label. Without this file the image is shown whole.

const place = document.querySelector('#viewer')
const marks = document.querySelector('#marks')

for (const box of document.querySelectorAll('input[data-mark]'))
  box.addEventListener('change', () => marks.querySelector(`[data-mark="${box.dataset.mark}"]`).classList.toggle('off', !box.checked))
for (const box of document.querySelectorAll('input[data-kind]'))
  box.addEventListener('change', () => marks.classList.toggle(`no-${box.dataset.kind}`, !box.checked))
if (document.querySelector('#kinds')) document.querySelector('#kinds').hidden = false

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest?.('input, select, textarea, .viewer, pre')
  const wanted = { ArrowLeft: '#before', ArrowRight: '#after' }[event.key]
  if (wanted && !typing && !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey)
    document.querySelector(wanted)?.click()
})

if (place && window.OpenSeadragon) {
  const picture = document.querySelector('#picture')
  const { width, height } = picture.viewBox.baseVal
  const overlay = picture.cloneNode(false)
  overlay.id = 'overlay'
  overlay.removeAttribute('role')
  overlay.removeAttribute('aria-label')
  overlay.setAttribute('aria-hidden', 'true')
  overlay.setAttribute('preserveAspectRatio', 'none')
  overlay.classList.add('overlay')
  // The viewer adds a style sheet to the page, which the content security policy forbids, unless it finds one there
  // already. This element has that name, and being of no namespace is no style sheet.
  const rule = document.createElementNS(null, 'style')
  rule.setAttribute('data-openseadragon-mobile-css', 'true')
  document.head.append(rule)
  const stage = document.createElement('div')
  stage.className = 'viewer'
  const viewer = OpenSeadragon({
    element: stage,
    tileSources: { type: 'image', url: place.dataset.image },
    drawer: 'canvas',
    showNavigationControl: false,
    showNavigator: false,
    animationTime: matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 0.4,
    maxZoomPixelRatio: 16,
    minZoomImageRatio: 0.8,
    visibilityRatio: 0.5,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    smoothTileEdgesMinZoom: Infinity,
  })
  viewer.addHandler('open', () => {
    overlay.append(marks)
    viewer.addOverlay({ element: overlay, location: new OpenSeadragon.Rect(0, 0, 1, height / width) })
    picture.remove()
    stage.dataset.open = 'true'
  })
  viewer.addHandler('open-failed', () => { stage.replaceWith(place) })
  viewer.addHandler('zoom', ({ zoom }) => {
    const scale = viewer.world.getItemCount() ? viewer.world.getItemAt(0).viewportToImageZoom(zoom) : 1
    viewer.drawer.setImageSmoothingEnabled(scale < 2)
  })
  place.after(stage)
  place.remove()
  stage.append(picture)
  stage.id = 'viewer'
  const canvas = stage.querySelector('.openseadragon-canvas')
  canvas.setAttribute('role', 'application')
  canvas.setAttribute('aria-label', `${picture.getAttribute('aria-label')}: arrow keys pan, plus and minus zoom`)
  const tools = document.querySelector('.tools')
  tools.hidden = false
  const on = (id, act) => document.querySelector(id).addEventListener('click', act)
  on('#zoom-in', () => viewer.viewport.zoomBy(1.5).applyConstraints())
  on('#zoom-out', () => viewer.viewport.zoomBy(1 / 1.5).applyConstraints())
  on('#whole', () => viewer.viewport.goHome())
  on('#actual', () => viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(1)).applyConstraints())
  on('#full', () => viewer.setFullScreen(!viewer.isFullPage()))
}
