package vcemu

import (
	"slices"
	"strings"
	"sync"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// unit is what makes a component the kind that it is. All methods are called with VideoCore.mu held.
type unit interface {
	// commit checks the format that the host wants at p, may adjust it, and says how many buffers of what size it
	// takes. The rest of the component follows in committed.
	commit(p *port, f *mmal.Format) mmal.Status
	// committed says that p has its new format.
	committed(p *port)
	// enable starts the component.
	enable() mmal.Status
	// opening may refuse that p is enabled.
	opening(p *port) mmal.Status
	// switched says that p was enabled or disabled.
	switched(p *port)
	// kick says that something changed that the component may have waited for: an image at its input, a buffer of the
	// host's, an image that returned to a pool of its own.
	kick()
	// destroy gives up what the component holds.
	destroy()
}

// passive is a unit that agrees to everything and does nothing; the others build on it.
type passive struct{}

func (passive) commit(*port, *mmal.Format) mmal.Status { return mmal.EInval }
func (passive) committed(*port)                        {}
func (passive) enable() mmal.Status                    { return mmal.Success }
func (passive) opening(*port) mmal.Status              { return mmal.Success }
func (passive) switched(*port)                         {}
func (passive) kick()                                  {}
func (passive) destroy()                               {}

// component is one MMAL component. Guarded by VideoCore.mu.
type component struct {
	vc      *VideoCore
	session *session
	unit    unit
	name    string
	handle  uint32
	client  uint32 // the client's word for the component, sent with events
	enabled bool
	dead    bool
	// lockedUp is a fault: what ends the component, or stops its ports, is not answered.
	lockedUp bool
	// firstPort is the handle of the control port; those of the others follow. It is not an index: see newPortHandles.
	firstPort uint32
	wake      sync.Cond // the component's worker waits here

	ports           []*port // all, in the order of their handles: control, inputs, outputs
	control         *port
	inputs, outputs []*port
}

// newComponent makes the component that a client asks for. The caller holds mu.
func (v *VideoCore) newComponent(s *session, m mmal.CreateRequest) (*component, mmal.Status) {
	if len(v.components) >= maxComponents {
		return nil, mmal.ENoMem
	}
	c := &component{vc: v, session: s, name: m.Name, client: m.ClientComponent, firstPort: v.newPortHandles()}
	c.wake.L = &v.mu
	c.control = c.addPort(mmal.PortControl, 0)
	if status := c.furnish(); status != mmal.Success {
		return nil, status
	}
	c.handle = v.newHandle()
	v.components = append(v.components, c)
	if w, ok := c.unit.(worker); ok {
		v.wg.Go(func() { c.work(w) })
	}
	return c, mmal.Success
}

// furnish gives the component its kind by its name. Names come without the "vc." of libmmal.
func (c *component) furnish() mmal.Status {
	switch c.name {
	case "ril.camera":
		return newCamera(c)
	case "camera_info":
		return newCameraInfo(c)
	case "null_sink", "ril.null_sink":
		newNullSink(c)
	case "ril.video_splitter", "splitter":
		newSplitter(c)
	case "ril.isp":
		if c.vc.cfg.Quirks.NoISP {
			return mmal.ENoEnt
		}
		newResizer(c, 2)
		c.addPort(mmal.PortOutput, 2) // statistics, which this ISP has none of: no format is accepted
	case "ril.resize":
		newResizer(c, 1)
	case "ril.video_encode":
		newVideoEncoder(c)
	case "ril.image_encode":
		newImageEncoder(c)
	default:
		if strings.HasPrefix(c.name, "ril.") {
			return mmal.ENoEnt
		}
		return mmal.ENoSys // as libmmal's core, when it finds nobody who supplies the name
	}
	return mmal.Success
}

func (c *component) addPort(t mmal.PortType, index int) *port {
	p := &port{comp: c, typ: t, index: uint16(index), indexAll: uint16(len(c.ports))}
	p.handle = c.firstPort + uint32(p.indexAll)
	p.format = mmal.Format{Type: mmal.ESVideo}
	p.params = make(map[mmal.ParameterID]*param)
	c.ports = append(c.ports, p)
	switch t {
	case mmal.PortInput:
		c.inputs = append(c.inputs, p)
	case mmal.PortOutput:
		c.outputs = append(c.outputs, p)
	}
	p.commonParameters()
	return p
}

// worker is a unit that computes, on a goroutine of its own.
type worker interface {
	// step does one piece of work, without the lock where it takes time. It is called with the lock held and returns
	// so. It says no when there is nothing to do.
	step() bool
}

func (c *component) work(w worker) {
	c.vc.mu.Lock()
	defer c.vc.mu.Unlock()
	for !c.dead {
		if !w.step() && !c.dead {
			c.wake.Wait()
		}
	}
}

// unlocked runs f without the lock.
func (c *component) unlocked(f func()) {
	c.vc.mu.Unlock()
	defer c.vc.mu.Lock()
	f()
}

func (c *component) enable() mmal.Status {
	if c.enabled {
		return mmal.Success
	}
	if status := c.unit.enable(); status != mmal.Success {
		return status
	}
	c.enabled = true
	c.unit.kick()
	return mmal.Success
}

func (c *component) disable() {
	c.enabled = false
	c.unit.kick()
}

// destroy ends the component with all that hangs on it, tunnels included.
func (c *component) destroy() {
	if c.dead {
		return
	}
	c.enabled = false
	for _, p := range c.ports {
		if p.peer != nil {
			p.disconnect()
		}
		if p.enabled {
			p.disable()
		}
		p.retirePool()
	}
	c.dead = true
	c.unit.destroy()
	c.wake.Broadcast()
	c.vc.components = slices.DeleteFunc(c.vc.components, func(o *component) bool { return o == c })
}
