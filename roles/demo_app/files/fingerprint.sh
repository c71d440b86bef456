# Prints one line for each entry of the volume: type mode owner:group size sha256|target path. Nothing is left out.
set -eu
cd /data
find . | LC_ALL=C sort | while IFS= read -r path; do
  about=$(stat -c '%a %u:%g' "$path")
  if [ -L "$path" ]; then
    echo "link $about - $(readlink "$path") $path"
  elif [ -d "$path" ]; then
    echo "dir $about - - $path"
  elif [ -f "$path" ]; then
    sum=$(sha256sum < "$path")
    echo "file $about $(stat -c %s "$path") ${sum%% *} $path"
  else
    echo "other $about - - $path"
  fi
done
