"""An example of a rig to edit: `mim4d import rig --template DIR`."""

from pathlib import Path

from mim4d.errors import DataError
from mim4d.files import write_text

CAMERAS = """\
# The sensors of a car, for `mim4d import rig SOURCE --out DATA`. Edit what is below.
#
#   SOURCE/cameras.yaml              this file
#   SOURCE/poses.csv                 where the car was; for several drives SOURCE/DRIVE/poses.csv
#   SOURCE/CAM_FRONT/TIME.jpg        images by camera, named by the time of exposure
#   SOURCE/LIDAR_TOP/TIME.pcd        optional: .pcd, .ply, .npy or .bin
#   SOURCE/boxes.csv                 optional
#
# The car's axes: x forward, y left, z up, metres; origin on the road below the rear axle.

time_unit: us        # of the names of files: s, ms, us or ns; all sensors and poses share one clock
vehicle: my_car
location: my_town

cameras:
  CAM_FRONT:         # the front camera is best called CAM_FRONT: frames take their time from it
    size_px: [1920, 1080]            # width and height of the images
    lens:
      model: brown                   # pinhole, brown, fisheye, mei, ftheta, ftheta-of-radius
      focal_px: [1050.0, 1050.0]
      centre_px: [960.0, 540.0]
      coefficients: [-0.30, 0.10, 0.0, 0.0, 0.0]   # k1 k2 p1 p2 k3 [k4 k5 k6], as OpenCV has them
      # first_pixel_centre: 0        # where the first pixel's centre is: 0 (OpenCV, ROS) or 0.5
      # calibrated_at_px: [3840, 2160]   # if the images were resized since
    position_m: [1.70, 0.0, 1.50]    # of the camera on the car
    looks_deg: {yaw: 0, pitch: 0, roll: 0}   # yaw to the left, pitch up, roll lowers the right side

  CAM_LEFT:
    size_px: [1280, 960]
    lens:
      model: fisheye                 # Kannala and Brandt, OpenCV's fisheye
      focal_px: [330.0, 330.0]
      centre_px: [640.0, 480.0]
      coefficients: [0.05, -0.01, 0.0, 0.0]        # k1 k2 k3 k4
    position_m: [1.0, 0.95, 1.0]
    # instead of looks_deg a quaternion, car from camera, in the order that its name says:
    rotation_wxyz: [0.7071067811865476, -0.7071067811865476, 0.0, 0.0]
    # axes: optical                  # of the camera: x right, y down, z ahead; or `forward`:
    #                                  x forward, y left, z up
    # own_car_mask: left_mask.png    # a picture of this size, not zero where it shows the car
    # A wide lens becomes two or three pinhole views side by side; yours instead of these:
    # rectify: {yaw_deg: [45, -45], pitch_deg: 0, horizontal_deg: 90, vertical_deg: 70}
    #                                  also width_px: 640, columns of each view

# Other lenses:
#   {model: pinhole, horizontal_deg: 70}   only the angle of view: square pixels, axis in the middle
#   {model: mei, focal_px: [...], centre_px: [...], xi: 0.9, coefficients: [k1, k2, p1, p2]}
#   {model: ftheta, centre_px: [...], polynomial: [c0, c1, c2]}             pixels by radians
#   {model: ftheta-of-radius, centre_px: [...], polynomial: [c0, c1, c2]}   radians by pixels

# lidar:
#   LIDAR_TOP:
#     position_m: [0.94, 0.0, 1.84]
#     looks_deg: {yaw: 0}            # its x axis forward
#     columns: [x, y, z, intensity, ring]   # of .bin and .npy files
#     dtype: float32

# If poses.csv speaks of another body than the car (a receiver, an IMU), where it is mounted:
# poses_of: {position_m: [0.0, 0.0, 0.5], looks_deg: {yaw: 0}}
"""
POSES = """\
time_us,x_m,y_m,z_m,qw,qx,qy,qz
1700000000000000,0.0,0.0,0.0,1.0,0.0,0.0,0.0
1700000000100000,1.0,0.0,0.0,1.0,0.0,0.0,0.0
"""
BOXES = """\
time_us,track,category,x_m,y_m,z_m,length_m,width_m,height_m,yaw_deg
1700000000000000,1,vehicle.car,12.0,3.5,0.8,4.6,1.9,1.6,0.0
"""


def write_template(folder: Path) -> list[Path]:
    """Write the example's files; what is there already is not touched.

    Raises:
        DataError: One of them is there.
    """
    files = {"cameras.yaml": CAMERAS, "poses.csv": POSES, "boxes.csv": BOXES}
    paths = [folder / name for name in files]
    for path in paths:
        if path.exists():
            raise DataError(f"{path}: is there already; choose another folder")
    for path, text in zip(paths, files.values(), strict=True):
        write_text(path, text)
    return paths
