// Binary image builds the appliance with gok, out of instance/camkrazy: into an image file, onto a disk, or into a
// running camkrazy.
//
// Around gok it does what gok cannot: it fetches the GPU's firmware, makes up the secrets once (a password for gokrazy's
// page and updates, and a camera.yaml with a user who may watch), and says what was built and what takes the room. gok
// works on a copy of the instance in a temporary folder, which has the password, and --emulate if asked for, in its
// config.json. The instance itself holds no secret, and cannot be built into a device that is open to anyone: without
// the secrets gok finds no camera.yaml and stops.
package main
